"""Exports of Open WebUI: ``chat.history`` with a tree of messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import evolve

from ..content import count, openai_usage
from ..context import Context
from ..fields import JsonObject, an_id, an_object, list_or_empty, object_or_empty, text_or_none
from ..model import Feedback
from ..talk import NOTHING, Message, Said, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import first_time
from .openai_responses import message as response_items
from .trees import branch_id, paths_to

FOLDED = re.compile(r"<details type=\"(?:reasoning|tool_calls|code_interpreter)\".*?</details>\n?", re.DOTALL)


def detects(record: object) -> bool:
    """``chat.history``."""
    chat = record.get("chat") if isinstance(record, dict) else None
    return isinstance(chat, dict) and "history" in chat


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation on the way to the current message."""
    record = an_object("", record)
    chat = an_object("chat", record.get("chat"))
    history = an_object("chat.history", chat.get("history"))
    messages = an_object("chat.history.messages", history.get("messages"))
    parents = {key: text_or_none(each.get("parentId")) for key, each in messages.items() if isinstance(each, dict)}
    tags = object_or_empty(record.get("meta")).get("tags") or chat.get("tags") or None
    if object_or_empty(chat.get("params")).get("system"):
        context.leave("system messages")
    for index, path in enumerate(paths_to(text_or_none(history.get("currentId")), parents, context)):
        talk = Talk(
            conversation_id=branch_id(an_id(record.get("id"), chat.get("id")), index, path[-1]),
            user_id=an_id(record.get("user_id")),
            began=first_time("", record, context),
        )
        with_attributes(talk, {"title": record.get("title") or chat.get("title"), "tags": tags})
        for key in path:
            with context.part():
                talk.take_all(_messages(f"chat.history.messages.{key}", object_or_empty(messages[key]), context))
        yield talk


def _messages(where: str, fields: JsonObject, context: Context) -> Iterator[Message]:
    at = first_time(f"{where}.", fields, context)
    text = fields.get("content")
    text = text if isinstance(text, str) else ""
    if fields.get("role") != "assistant":
        for _ in list_or_empty(fields.get("files")):
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
        model=text_or_none(fields.get("model")),
        usage=_usage(fields.get("usage")),
        feedback=tuple(_opinion(fields.get("annotation"))),
        failed=bool(fields.get("error")),
        where=where,
    )
    output = fields.get("output")
    if isinstance(output, list):
        found = [m for i, each in enumerate(output) for m in response_items(f"{where}.output[{i}]", each, context)]
        yield from (evolve(each, at=at, model=text_or_none(fields.get("model"))) for each in found)
        if any(isinstance(item, Said) and item.text for each in found for item in each.items):
            answer = evolve(answer, items=())
    yield answer


def _opinion(value: object) -> Iterator[Feedback]:
    if isinstance(value, dict) and value.get("rating") is not None:
        yield Feedback("rating", value["rating"], None, value.get("comment") or None)


def _usage(value: object) -> Usage:
    found = openai_usage(value)
    if isinstance(value, dict) and found in (NOTHING, Usage()):
        return Usage(count(value.get("prompt_eval_count")), count(value.get("eval_count")))
    return found


SHAPE = Shape("open_webui", detects, read)
