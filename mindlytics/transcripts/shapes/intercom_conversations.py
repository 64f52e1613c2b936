"""Conversations of Intercom's API: ``source`` and ``conversation_parts``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Message, Said, Talk, with_attributes
from . import Shape
from .html import text_of

STAFF = ("admin", "bot", "team")
SAID = ("comment", "open", "close", "assignment", "quick_reply")
NOT_SAID = ("note", "note_and_reopen")


def detects(record: object) -> bool:
    """A conversation with its parts."""
    return isinstance(record, dict) and record.get("type") == "conversation" and "conversation_parts" in record


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation."""
    record = an_object("", record)
    parts = an_object("conversation_parts", record.get("conversation_parts")).get("conversation_parts")
    began = context.time("created_at", record.get("created_at"))
    talk = Talk(conversation_id=an_id(record.get("id")), began=began)
    contacts = objects_in(object_or_empty(record.get("contacts")).get("contacts"))
    source = object_or_empty(record.get("source"))
    author = object_or_empty(source.get("author"))
    talk.user_id = an_id(author.get("id")) if author.get("type") not in STAFF else None
    talk.user_id = talk.user_id or next((an_id(each.get("id")) for each in contacts), None)
    tags = [each.get("name") for each in objects_in(object_or_empty(record.get("tags")).get("tags"))]
    known = {"title": record.get("title"), "state": record.get("state"), "tags": tags or None}
    with_attributes(talk, known, object_or_empty(record.get("custom_attributes")))
    talk.take(_message(source, author, began))
    for index, part in enumerate(a_list("conversation_parts.conversation_parts", parts or [])):
        with context.part():
            each = an_object(f"conversation_parts.conversation_parts[{index}]", part)
            body, kind = each.get("body"), each.get("part_type")
            if kind in NOT_SAID or each.get("redacted"):
                context.leave("internal notes and what was redacted")
            elif body and kind in SAID:
                where = f"conversation_parts.conversation_parts[{index}].created_at"
                talk.take(
                    _message(each, object_or_empty(each.get("author")), context.time(where, each.get("created_at")))
                )
            elif body:
                context.unread(f"parts of type {kind}")
    rating, agent = object_or_empty(record.get("conversation_rating")), object_or_empty(record.get("ai_agent"))
    if rating.get("rating") is not None:
        talk.feedback.append(
            Feedback("conversation_rating", rating["rating"], None, text_or_none(rating.get("remark")))
        )
    if agent.get("rating") is not None:
        talk.feedback.append(
            Feedback("ai_agent_rating", agent["rating"], None, text_or_none(agent.get("rating_remark")))
        )
    yield talk


def _message(fields: JsonObject, author: JsonObject, at: datetime | None) -> Message:
    items = (Said(text_of(str(fields.get("body") or ""))),)
    if author.get("type") in STAFF:
        return Message("assistant", items, at, assistant_id=an_id(author.get("name"), author.get("id")))
    return Message("user", items, at)


SHAPE = Shape("intercom_conversations", detects, read)
