"""Exports of LibreChat: ``messages`` with ``messageId``, flat or as a tree."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidEvent
from ..content import count
from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, list_or_empty, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Message, Said, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import first_time
from .trees import branch_id, paths_from


def detects(record: object) -> bool:
    """Messages with ``messageId``."""
    if not isinstance(record, dict) or "conversationId" not in record:
        return False
    messages = list_or_empty(record.get("messages"))
    return bool(messages) and "messageId" in object_or_empty(messages[0])


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation along the newest children."""
    record = an_object("", record)
    messages = [an_object(f"messages[{i}]", each) for i, each in enumerate(a_list("messages", record.get("messages")))]
    if object_or_empty(record.get("options")).get("promptPrefix"):
        context.leave("system messages")
    ids = {each.get("messageId") for each in messages}
    below: dict[object, list[JsonObject]] = {}
    for each in messages:
        below.setdefault(each.get("parentMessageId"), []).append(each)
    roots = [each for each in messages if each.get("parentMessageId") not in ids]

    def children(node: JsonObject) -> list[JsonObject]:
        found = [*objects_in(node.get("children")), *below.get(node.get("messageId"), [])]
        return [each for each in found if not each.get("error")]

    if messages and not roots:
        raise InvalidEvent("messages", "messages of which one has no parent", messages)
    paths = paths_from(roots, children, lambda each: str(each.get("createdAt")), context)
    for index, path in enumerate(paths):
        talk = Talk(
            conversation_id=branch_id(an_id(record.get("conversationId")), index, an_id(path[-1].get("messageId"))),
            began=first_time("", record, context),
        )
        with_attributes(talk, {"title": record.get("title")})
        for each in path:
            with context.part():
                talk.user_id = talk.user_id or an_id(each.get("user"))
                talk.take(_message(each, context))
        yield talk


def _message(fields: JsonObject, context: Context) -> Message:
    where = f"message {fields.get('messageId')}"
    at = first_time(f"{where}.", fields, context)
    text = fields.get("text")
    if not isinstance(text, str):
        text = ""
    parts = fields.get("content")
    if not text and isinstance(parts, list):
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        text = "\n".join(each if isinstance(each, str) else str((each or {}).get("value", "")) for each in texts)
    if fields.get("isCreatedByUser"):
        return Message("user", (Said(text),), at, where=where)
    opinion = fields.get("feedback")
    feedback: tuple[Feedback, ...] = ()
    if isinstance(opinion, dict) and opinion.get("rating"):
        more = {"tag": opinion["tag"]} if opinion.get("tag") else {}
        feedback = (Feedback("rating", opinion["rating"], None, text_or_none(opinion.get("text")), more),)
    is_agent = fields.get("endpoint") == "agents"
    return Message(
        "assistant",
        (Said(text),),
        at,
        model=None if is_agent else text_or_none(fields.get("model")),
        usage=Usage(count(fields.get("promptTokens")), count(fields.get("tokenCount"))),
        assistant_id=an_id(fields.get("model") if is_agent else fields.get("sender")),
        feedback=feedback,
        where=where,
    )


SHAPE = Shape("librechat", detects, read)
