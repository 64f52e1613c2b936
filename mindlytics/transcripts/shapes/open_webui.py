"""Exports of Open WebUI: ``chat.history`` with a tree of messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ..content import count, openai_usage
from ..context import Context, an_id, an_object
from ..model import Feedback
from ..talk import NOTHING, Message, Said, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import first_moment
from .openai_responses import message as response_items
from .trees import leave_others, path_to

FOLDED = re.compile(r"<details type=\"(?:reasoning|tool_calls|code_interpreter)\".*?</details>\n?", re.DOTALL)


def detects(record: Any) -> bool:
    """``chat.history``."""
    chat = record.get("chat") if isinstance(record, dict) else None
    return isinstance(chat, dict) and "history" in chat


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation on the way to the current message."""
    chat = record["chat"]
    history = an_object("chat.history", chat.get("history"))
    messages = an_object("chat.history.messages", history.get("messages"))
    parents = {key: each.get("parentId") for key, each in messages.items() if isinstance(each, dict)}
    talk = Talk(
        conversation_id=an_id(record.get("id"), chat.get("id")),
        user_id=an_id(record.get("user_id")),
        began=first_moment("", record, context),
    )
    tags = (record.get("meta") or {}).get("tags") or chat.get("tags") or None
    with_attributes(talk, {"title": record.get("title") or chat.get("title"), "tags": tags})
    if (chat.get("params") or {}).get("system"):
        context.leave("system messages")
    path = path_to(str(history.get("currentId")), parents)
    leave_others(context, len(parents), len(path))
    for key in path:
        with context.part():
            talk.take_all(_messages(f"chat.history.messages.{key}", messages[key], context))
    yield talk


def _messages(where: str, given: dict[str, Any], context: Context) -> Iterator[Message]:
    at = first_moment(f"{where}.", given, context)
    text = given.get("content")
    text = text if isinstance(text, str) else ""
    if given.get("role") != "assistant":
        for _ in given.get("files") or []:
            context.leave("attachments")
        yield Message("user", (Said(text),), at, where=where)
        return
    cut = FOLDED.sub("", text).strip("\n")
    if cut != text:
        context.leave("fold-outs of the screen")
    answer = Message(
        "assistant",
        (Said(cut),),
        at,
        model=given.get("model"),
        usage=_usage(given.get("usage")),
        feedback=tuple(_opinion(given.get("annotation"))),
        failed=bool(given.get("error")),
        where=where,
    )
    output = given.get("output")
    if isinstance(output, list):
        found = [m for i, each in enumerate(output) for m in response_items(f"{where}.output[{i}]", each, context)]
        yield from (evolve(each, at=at, model=given.get("model")) for each in found)
        if any(isinstance(item, Said) and item.text for each in found for item in each.items):
            answer = evolve(answer, items=())
    yield answer


def _opinion(given: Any) -> Iterator[Feedback]:
    if isinstance(given, dict) and given.get("rating") is not None:
        yield Feedback("rating", given["rating"], None, given.get("comment") or None)


def _usage(given: Any) -> Usage:
    found = openai_usage(given)
    if isinstance(given, dict) and found in (NOTHING, Usage()):
        return Usage(count(given.get("prompt_eval_count")), count(given.get("eval_count")))
    return found


SHAPE = Shape("open_webui", detects, read)
