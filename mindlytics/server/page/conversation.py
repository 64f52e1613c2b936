"""Reads one session for the page, step by step in order of time, and what the analysis found in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson
from attrs import frozen
from sqlalchemy import Connection, and_, select, tuple_

from ...events import (
    CONVERSATION_SUMMARY,
    FEEDBACK,
    INTENT_CLOSED,
    INTENT_INFORMED,
    ML_ERROR,
    ConversationFunction,
    ConversationTurn,
    EndConversation,
    StartConversation,
)
from ..apps import App
from ..query import event_id, has_event_id
from ..schema import conversations, events, intents, sessions
from ..stored import is_error
from .listing import Place

PER_PAGE = 200
"""Most steps on one page of a conversation."""

MOST_TEXT = 4 * 1024 * 1024
"""Characters after which a page ends, even with fewer steps."""

AT_ONCE = 25
"""Steps whose texts are read at once."""

SHOWN = 4000
"""Characters of a text that are shown in a conversation. The rest is on a page of its own."""

KINDS: Mapping[str, str] = {
    ConversationTurn.event: "turn",
    ConversationFunction.event: "call",
    FEEDBACK: "feedback",
    ML_ERROR: "error",
    StartConversation.event: "conversation",
    EndConversation.event: "conversation",
}
"""How events are shown. All others are shown alike."""

HIDDEN = (INTENT_INFORMED, INTENT_CLOSED, CONVERSATION_SUMMARY)
"""Events of the analysis, which are shown together before the conversation."""


@frozen
class Step:
    """An event of a conversation."""

    place: Place
    id: str
    event: str
    properties: Mapping[str, object]
    conversation_id: str | None

    @property
    def kind(self) -> str:
        """How it is shown: ``turn``, ``call``, ``feedback``, ``error``, ``conversation`` or ``event``."""
        return KINDS.get(self.event, "event")

    @property
    def error(self) -> str:
        """What failed in it, if anything did."""
        said = self.properties.get("error_message" if self.event == ML_ERROR else "error")
        return str(said) if is_error(said) else ""

    def others(self, *names: str) -> dict[str, object]:
        """The properties without these."""
        return {name: value for name, value in self.properties.items() if name not in names}


class Intent(NamedTuple):
    """An intent that the analysis found."""

    intent: str
    fulfilled: str
    summary: str | None
    sentiment: str | None
    at: int


_NOT_HIDDEN = events.c.event.not_in(HIDDEN)
_STEPS = select(
    events.c.timestamp,
    events.c.seq,
    event_id(events),
    events.c.event,
    events.c.properties,
    conversations.c.conversation_id,
).select_from(events.outerjoin(conversations, conversations.c.seq == events.c.conversation))


def steps(
    connection: Connection, session: int, after: Place | None = None, *, last: bool = False
) -> tuple[list[Step], Place | None]:
    """A page of the steps of a session, by time, and the last of them if another page follows.

    :param session: the number of the session.
    :param after: the step that the page follows. Default: the first page.
    :param last: the last page instead.
    """
    place = tuple_(events.c.timestamp, events.c.seq)
    mine = and_(events.c.session == session, _NOT_HIDDEN)
    order = (events.c.timestamp, events.c.seq)
    query = select(*order).where(mine)
    if last:
        rows = connection.execute(query.order_by(*(column.desc() for column in order)).limit(PER_PAGE))
        places = [Place(*row) for row in rows][::-1]
        more = False
    else:
        if after is not None:
            query = query.where(place > tuple_(*after))
        places = [Place(*row) for row in connection.execute(query.order_by(*order).limit(PER_PAGE + 1))]
        more = len(places) > PER_PAGE
    read = list(_read(connection, places[:PER_PAGE]))
    more = more or len(read) < len(places[:PER_PAGE])
    return read, read[-1].place if more and read else None


def _read(connection: Connection, places: Sequence[Place]) -> Iterator[Step]:
    """The steps at these places, as long as their texts fit on a page."""
    size = 0
    for start in range(0, len(places), AT_ONCE):
        if size > MOST_TEXT:
            return
        numbers = [place.seq for place in places[start : start + AT_ONCE]]
        rows = connection.execute(_STEPS.where(events.c.seq.in_(numbers)).order_by(events.c.timestamp, events.c.seq))
        for row in rows:
            if size > MOST_TEXT:
                return
            size += len(row[4])
            yield Step(Place(row[0], row[1]), row[2], row[3], orjson.loads(row[4]), row[5])


def step_of(connection: Connection, app: App, session_id: str, wanted: str) -> Step | None:
    """One event of a session, by its id."""
    query = _STEPS.join(sessions, sessions.c.seq == events.c.session)
    mine = (events.c.scope == app.scope, sessions.c.session_id == session_id, has_event_id(events, wanted))
    row = connection.execute(query.where(*mine)).first()
    return None if row is None else Step(Place(row[0], row[1]), row[2], row[3], orjson.loads(row[4]), row[5])


def intents_of(connection: Connection, session: int) -> list[Intent]:
    """What the user wanted in a session, in order."""
    c = intents.c
    query = select(c.intent, c.intent_fulfilled, c.summary, c.sentiment, c.informed_at)
    rows = connection.execute(query.where(c.session == session).order_by(c.informed_at, c.seq).limit(PER_PAGE))
    return [Intent(*row) for row in rows]


def attributes_of(connection: Connection, session: int) -> Mapping[str, object]:
    """The attributes of a session."""
    query = select(sessions.c.attributes).where(sessions.c.seq == session)
    found: Mapping[str, object] = orjson.loads(connection.execute(query).scalar_one())
    return found
