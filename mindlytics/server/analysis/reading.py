"""Reads an ended conversation from the store: its steps, their events, and the counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

import orjson
from attrs import Factory, define
from sqlalchemy import Connection, bindparam, case, func, not_, or_, select, update

from ...events import ConversationFunction, ConversationTurn, ConversationUsage
from ..query import event_id
from ..schema import as_datetime, events, now
from ..schema import conversations as conversation_rows
from ..schema import sessions as session_rows
from ..schema import unanalysed as notes
from ..timeline import Key, Stretch, events_until
from . import Call, Step, Turn
from .counted import Count

MAX_STEPS = 2_000
MAX_CHARACTERS = 8 * 1024 * 1024
"""Most steps for an analysis. It gets the last ones of a longer conversation. The counts include all."""

GRACE = 1_000_000
"""Microseconds after the end of a conversation in which events of other processes may still come before it is analysed:
twice the time that a client keeps an event."""

_CALL_FIELDS = ("name", "args", "result", "runtime")
_WAIT = case(
    (or_(notes.c.event.in_(bindparam("own", expanding=True)), notes.c.noted_at < 0), GRACE),
    else_=bindparam("patience"),
)
_DUE = (
    select(
        notes.c.seq,
        notes.c.scope,
        notes.c.session,
        notes.c.conversation,
        notes.c.event,
        notes.c.timestamp,
        session_rows.c.session_id,
        conversation_rows.c.conversation_id,
        event_id(events),
        notes.c.noted_at < 0,
    )
    .select_from(
        notes.join(session_rows, session_rows.c.seq == notes.c.session)
        .join(conversation_rows, conversation_rows.c.seq == notes.c.conversation)
        .join(events, events.c.seq == notes.c.event)
    )
    .where(not_(func.abs(notes.c.noted_at).between(bindparam("at") - _WAIT + 1, bindparam("at") + GRACE)))
    .order_by(notes.c.seq)
    .limit(bindparam("limit"))
)
_NEXT = select(func.min(func.abs(notes.c.noted_at) + _WAIT))
_HURRY = update(notes).values(noted_at=notes.c.noted_at - case((notes.c.noted_at < 0, -GRACE), else_=GRACE))


Place = tuple[int, int]
"""The number of an event, and its time as it is stored."""


class Due(NamedTuple):
    """A row of ``unanalysed``: the event that ended a conversation. ``again``: because of late events."""

    seq: int
    scope: int
    session: int
    conversation: int
    event: int
    timestamp: int
    session_id: str
    conversation_id: str
    event_id: str
    again: bool

    @property
    def key(self) -> Key:
        """The conversation."""
        return Key(self.session, self.conversation)

    @property
    def ended_at(self) -> datetime:
        """When it ended."""
        return as_datetime(self.timestamp)

    @property
    def origin(self) -> Place:
        """The event, and its time in the stored form."""
        return self.event, self.timestamp


@define
class Reading:
    """A conversation: its steps, the event and the time of each, the counts, and ids that an earlier version gave."""

    started_at: datetime
    count: Count = Factory(Count)
    steps: deque[Step] = Factory(deque)
    places: deque[Place] = Factory(deque)
    characters: int = 0
    former_ids: dict[int, str] = Factory(dict)

    def add(self, step: Step, place: Place) -> None:
        """Keep a step, and drop the first ones if they are too many."""
        self.steps.append(step)
        self.places.append(place)
        self.characters += _size(step)
        while len(self.steps) > MAX_STEPS or (self.characters > MAX_CHARACTERS and len(self.steps) > 1):
            self.places.popleft()
            self.characters -= _size(self.steps.popleft())


def due(connection: Connection, limit: int, own: Sequence[int] = (), patience: int = GRACE) -> list[Due]:
    """The conversations to analyse now, in the order of their ends.

    One that ended just now is not yet due. One that is noted for the far future is due, since the clock was set back.

    :param own: the events of ends that are due after :data:`GRACE`.
    :param patience: microseconds after which the other ends are due.
    """
    rows = connection.execute(_DUE, {"at": now(), "own": own, "patience": patience, "limit": limit})
    return [Due(*row) for row in rows]


def next_due(connection: Connection, own: Sequence[int] = (), patience: int = GRACE) -> float | None:
    """Seconds until the next one is due, or None. The parameters are those of :func:`due`."""
    at: int | None = connection.execute(_NEXT, {"own": own, "patience": patience}).scalar()
    return None if at is None else min(max(at - now(), 0), patience) / 1_000_000


def hurry(connection: Connection, event: int | None = None) -> None:
    """Stop waiting for late events, in the conversation that the event of this number ended, or in all."""
    connection.execute(_HURRY if event is None else _HURRY.where(notes.c.event == event))


def unanalysed(connection: Connection) -> int:
    """The number of notes."""
    return connection.execute(select(func.count()).select_from(notes)).scalar_one()


def read(connection: Connection, ended: Due, among: Sequence[Stretch]) -> Reading:
    """What this event ended of the conversation, in order of time: one of its stretches, see ``timeline.py``."""
    reading = Reading(ended.ended_at)
    began = ended.timestamp
    with closing(events_until(connection, ended.key, ended.event, among)) as rows:
        for number, event, timestamp, properties, former_id in rows:
            began = min(began, timestamp)
            if former_id is not None:
                reading.former_ids[number] = former_id
            _take(reading, event, (number, timestamp), properties)
    reading.started_at = as_datetime(began)
    return reading


def _take(reading: Reading, event: str, place: Place, text: str) -> None:
    """Count an event, and keep it if it is a step."""
    if event not in (ConversationTurn.event, ConversationUsage.event, ConversationFunction.event):
        return
    at, properties = as_datetime(place[1]), orjson.loads(text)
    if event == ConversationFunction.event:
        call = Call(at=at, **{name: properties[name] for name in _CALL_FIELDS if name in properties})
        reading.count.call(call.runtime)
        reading.add(call, place)
        return
    reading.count.usage(properties, at)
    if event == ConversationTurn.event:
        reading.count.turn()
        reading.add(Turn(at=at, user=properties["user"], assistant=properties["assistant"]), place)


def _size(step: Step) -> int:
    if isinstance(step, Turn):
        return len(step.user) + len(step.assistant)
    return len(step.args or "") + len(step.result or "")
