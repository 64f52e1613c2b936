"""Conversations of Intercom's API: ``source`` and ``conversation_parts``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..context import Context, an_id, an_object, object_or_empty
from ..model import Feedback
from ..talk import Message, Said, Talk, with_attributes
from . import Shape
from .html import text_of

STAFF = ("admin", "bot", "team")
SAID = ("comment", "open", "close", "assignment", "quick_reply")
NOT_SAID = ("note", "note_and_reopen")


def detects(record: Any) -> bool:
    """A conversation with its parts."""
    return isinstance(record, dict) and record.get("type") == "conversation" and "conversation_parts" in record


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation."""
    parts = an_object("conversation_parts", record.get("conversation_parts")).get("conversation_parts") or []
    began = context.moment("created_at", record.get("created_at"))
    talk = Talk(conversation_id=an_id(record.get("id")), began=began)
    contacts = object_or_empty(record.get("contacts")).get("contacts") or []
    source = object_or_empty(record.get("source"))
    author = object_or_empty(source.get("author"))
    talk.user_id = an_id(author.get("id")) if author.get("type") not in STAFF else None
    talk.user_id = talk.user_id or next((an_id(each.get("id")) for each in contacts if isinstance(each, dict)), None)
    tags = [
        each.get("name") for each in object_or_empty(record.get("tags")).get("tags") or [] if isinstance(each, dict)
    ]
    known = {"title": record.get("title"), "state": record.get("state"), "tags": tags or None}
    with_attributes(talk, known, record.get("custom_attributes"))
    talk.take(_message(source, author, began))
    for index, part in enumerate(parts):
        with context.part():
            each = an_object(f"conversation_parts.conversation_parts[{index}]", part)
            body, kind = each.get("body"), each.get("part_type")
            if kind in NOT_SAID or each.get("redacted"):
                context.leave("internal notes and what was redacted")
            elif body and kind in SAID:
                where = f"conversation_parts.conversation_parts[{index}].created_at"
                talk.take(
                    _message(each, object_or_empty(each.get("author")), context.moment(where, each.get("created_at")))
                )
            elif body:
                context.unread(f"parts of type {kind}")
    rating, agent = object_or_empty(record.get("conversation_rating")), object_or_empty(record.get("ai_agent"))
    if rating.get("rating") is not None:
        talk.feedback.append(Feedback("conversation_rating", rating["rating"], None, rating.get("remark") or None))
    if agent.get("rating") is not None:
        talk.feedback.append(Feedback("ai_agent_rating", agent["rating"], None, agent.get("rating_remark") or None))
    yield talk


def _message(given: dict[str, Any], author: dict[str, Any], at: Any) -> Message:
    items = (Said(text_of(str(given.get("body") or ""))),)
    if author.get("type") in STAFF:
        return Message("assistant", items, at, assistant_id=an_id(author.get("name"), author.get("id")))
    return Message("user", items, at)


SHAPE = Shape("intercom_conversations", detects, read)
