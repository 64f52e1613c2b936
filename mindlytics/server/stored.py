"""Events as they are stored, and the query that reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Select, func, select

from .apps import App
from .query import event_id
from .schema import conversations, events, iso, sessions, users
from .timeline import Key

ABSENT: Mapping[str, object] = {"conversation": -1, "origin": -1, "user_traits": "", "message_index": -1}
"""What stands for NULL in a :class:`StoredEvent`."""


class StoredEvent(NamedTuple):
    """An event as it is stored: a row of the table ``events``, and the ids that its numbers stand for.

    Null in the row is what ``ABSENT`` says here, since sqlite3 takes most of a microsecond for each None.
    """

    seq: int
    scope: int
    session: int
    conversation: int
    origin: int
    timestamp: int
    event: str
    properties: str
    user_traits: str
    message_index: int
    session_id: str
    conversation_id: str | None
    user_id: str
    event_id: str
    origin_event_id: str | None

    def to_json(self, app: App) -> dict[str, object]:
        """The event as the service returns it."""
        values: dict[str, object] = {
            "organization_id": app.organization_id,
            "app_id": app.app_id,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "conversation_id": self.conversation_id,
            "event_id": self.event_id,
            "origin_event_id": self.origin_event_id,
            "timestamp": iso(self.timestamp),
            "event": self.event,
            "properties": orjson.loads(self.properties),
            "user_traits": orjson.loads(self.user_traits) if self.user_traits else None,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def key(self) -> Key:
        """Its conversation."""
        return Key(self.session, self.conversation)


class Ending(StoredEvent):
    """The event that ended a conversation: an analysis of it is due."""

    __slots__ = ()


class Late(StoredEvent):
    """An event of a conversation that has ended: it is analysed again."""

    __slots__ = ()


def is_error(value: object) -> bool:
    """Whether the property ``error`` of a turn or call says that it failed."""
    return value not in (None, False, "")


_origin = events.alias("origin")
_NUMBERS = [
    func.coalesce(column, ABSENT[column.name]) if column.name in ABSENT else column
    for column in events.c
    if column.name != "former_id"
]
STORED_EVENTS: Select[Any] = select(
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
"""Rows of events, with the columns of a :class:`StoredEvent`."""
