"""Stored events read back as the server made them, with the ids that their numbers stand for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from .query import event_id
from .schema import conversations, events, sessions, users

_origin = events.alias("origin")
_ABSENT = {"conversation": -1, "origin": -1, "user_traits": "", "message_index": -1}
_NUMBERS = [
    func.coalesce(column, _ABSENT[column.name]) if column.name in _ABSENT else column
    for column in events.c
    if column.name != "former_id"
]
_EVENTS = select(
    *_NUMBERS,
    sessions.c.session_id,
    conversations.c.conversation_id,
    users.c.user_id,
    event_id(events),
    event_id(_origin),
).select_from(
    events.join(sessions, sessions.c.seq == events.c.session)
    .join(users, users.c.seq == sessions.c.owner)
    .outerjoin(conversations, conversations.c.seq == events.c.conversation)
    .outerjoin(_origin, _origin.c.seq == events.c.origin)
)


def stored_events() -> Select[Any]:
    """Rows of events, with the columns of a :class:`~mindlytics.server.records.StoredEvent`."""
    return _EVENTS
