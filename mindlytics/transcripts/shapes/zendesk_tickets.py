"""Tickets of Zendesk with their comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..context import Context, a_list, an_id, an_object
from ..model import Feedback
from ..talk import Message, Said, Talk, with_attributes
from . import Shape
from .html import text_of


def detects(record: Any) -> bool:
    """A ticket with comments, or a ticket alone."""
    if not isinstance(record, dict):
        return False
    if isinstance(record.get("ticket"), dict):
        return "comments" in record or "requester_id" in record["ticket"]
    return "requester_id" in record and ("comments" in record or "subject" in record)


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation of a ticket."""
    ticket = record["ticket"] if isinstance(record.get("ticket"), dict) else record
    given = record.get("comments", ticket.get("comments"))
    comments = a_list("comments", given if given is not None else [])
    names = {each.get("id"): each.get("name") for each in record.get("users") or [] if isinstance(each, dict)}
    requester = ticket.get("requester_id")
    talk = Talk(
        an_id(ticket.get("id")), user_id=an_id(requester), began=context.moment("created_at", ticket.get("created_at"))
    )
    title = ticket.get("subject") or None
    known = {
        "title": title,
        "status": ticket.get("status"),
        "type": ticket.get("type"),
        "tags": ticket.get("tags") or None,
    }
    with_attributes(talk, known)
    if given is None and ticket.get("description"):
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
            at = context.moment(f"comments[{index}].created_at", comment.get("created_at"))
            author = comment.get("author_id")
            if author == requester:
                talk.take(Message("user", (Said(text),), at))
            else:
                talk.take(Message("assistant", (Said(text),), at, assistant_id=an_id(names.get(author), author)))
    rating = ticket.get("satisfaction_rating")
    if isinstance(rating, dict) and rating.get("score") not in (None, "unoffered", "offered"):
        talk.feedback.append(Feedback("satisfaction_rating", rating["score"], None, rating.get("comment") or None))
    yield talk


SHAPE = Shape("zendesk_tickets", detects, read)
