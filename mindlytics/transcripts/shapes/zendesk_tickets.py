"""Tickets of Zendesk with their comments."""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context
from ..fields import a_list, an_id, an_object, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Message, Said, Talk, with_attributes
from . import Shape
from .html import text_of


def detects(record: object) -> bool:
    """A ticket with comments, or a ticket alone."""
    if not isinstance(record, dict):
        return False
    if isinstance(record.get("ticket"), dict):
        return "comments" in record or "requester_id" in record["ticket"]
    return "requester_id" in record and ("comments" in record or "subject" in record)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a ticket."""
    record = an_object("", record)
    ticket = object_or_empty(record.get("ticket")) or record
    value = record.get("comments", ticket.get("comments"))
    comments = a_list("comments", value if value is not None else [])
    names = {each.get("id"): each.get("name") for each in objects_in(record.get("users"))}
    requester = ticket.get("requester_id")
    talk = Talk(
        an_id(ticket.get("id")), user_id=an_id(requester), began=context.time("created_at", ticket.get("created_at"))
    )
    title = ticket.get("subject") or None
    known = {
        "title": title,
        "status": ticket.get("status"),
        "type": ticket.get("type"),
        "tags": ticket.get("tags") or None,
    }
    with_attributes(talk, known)
    if value is None and ticket.get("description"):
        comments = [{"author_id": requester, "body": ticket["description"], "created_at": ticket.get("created_at")}]
    for index, each in enumerate(comments):
        with context.part():
            comment = an_object(f"comments[{index}]", each)
            if comment.get("public") is False:
                context.leave("comments that are not public")
                continue
            text = comment.get("plain_body") or comment.get("body")
            if not isinstance(text, str):
                text = text_of(str(comment.get("html_body") or ""))
            at = context.time(f"comments[{index}].created_at", comment.get("created_at"))
            author = comment.get("author_id")
            if author == requester:
                talk.take(Message("user", (Said(text),), at))
            else:
                talk.take(Message("assistant", (Said(text),), at, assistant_id=an_id(names.get(author), author)))
    rating = ticket.get("satisfaction_rating")
    if isinstance(rating, dict) and rating.get("score") not in (None, "unoffered", "offered"):
        talk.feedback.append(
            Feedback("satisfaction_rating", rating["score"], None, text_or_none(rating.get("comment")))
        )
    yield talk


SHAPE = Shape("zendesk_tickets", detects, read)
