"""Exports of LibreChat: ``messages`` with ``messageId``, flat or as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..content import count
from ..context import Context, a_list, an_id, an_object
from ..model import Feedback
from ..talk import Message, Said, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import first_moment
from .trees import leave_others, newest_path


def detects(record: Any) -> bool:
    """Messages with ``messageId``."""
    messages = record.get("messages") if isinstance(record, dict) else None
    return (
        "conversationId" in record
        and isinstance(messages, list)
        and bool(messages)
        and isinstance(messages[0], dict)
        and "messageId" in messages[0]
        if isinstance(record, dict)
        else False
    )


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation along the newest children."""
    messages = [an_object(f"messages[{i}]", each) for i, each in enumerate(a_list("messages", record.get("messages")))]
    options = record.get("options") if isinstance(record.get("options"), dict) else {}
    assert isinstance(options, dict)
    if options.get("promptPrefix"):
        context.leave("system messages")
    talk = Talk(conversation_id=an_id(record.get("conversationId")), began=first_moment("", record, context))
    with_attributes(talk, {"title": record.get("title")})
    ids = {each["messageId"] for each in messages}
    below: dict[Any, list[Any]] = {}
    for each in messages:
        below.setdefault(each.get("parentMessageId"), []).append(each)
    roots = [each for each in messages if each.get("parentMessageId") not in ids]

    def children(node: Any) -> list[Any]:
        found = [*(node.get("children") or []), *below.get(node["messageId"], [])]
        return [each for each in found if not each.get("error")]

    path = newest_path(roots, children, lambda each: str(each.get("createdAt")))
    leave_others(context, len(messages), len([each for each in path if each["messageId"] in ids]))
    for each in path:
        with context.part():
            talk.user_id = talk.user_id or an_id(each.get("user"))
            talk.take(_message(each, context))
    yield talk


def _message(given: dict[str, Any], context: Context) -> Message:
    where = f"message {given['messageId']}"
    at = first_moment(f"{where}.", given, context)
    text = given.get("text")
    if not isinstance(text, str):
        text = ""
    parts = given.get("content")
    if not text and isinstance(parts, list):
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        text = "\n".join(each if isinstance(each, str) else str((each or {}).get("value", "")) for each in texts)
    if given.get("isCreatedByUser"):
        return Message("user", (Said(text),), at, where=where)
    opinion = given.get("feedback")
    feedback: tuple[Feedback, ...] = ()
    if isinstance(opinion, dict) and opinion.get("rating"):
        more = {"tag": opinion["tag"]} if opinion.get("tag") else {}
        feedback = (Feedback("rating", opinion["rating"], None, opinion.get("text"), more),)
    is_agent = given.get("endpoint") == "agents"
    return Message(
        "assistant",
        (Said(text),),
        at,
        model=None if is_agent else given.get("model"),
        usage=Usage(count(given.get("promptTokens")), count(given.get("tokenCount"))),
        assistant_id=an_id(given.get("model") if is_agent else given.get("sender")),
        feedback=feedback,
        where=where,
    )


SHAPE = Shape("librechat", detects, read)
