"""A conversation that has ended, read from the store: its steps, which events they are, and what they come to."""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import closing
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from attrs import Factory, define

from ..schema import EPOCH, now
from ..timeline import Key, events_until
from . import Call, Step, Turn
from .counted import Count

MAX_STEPS = 2_000
MAX_CHARACTERS = 8 * 1024 * 1024
"""Of a conversation that is longer, an analysis is given the last steps; what is counted is counted whole."""

GRACE = 1_000_000
"""Microseconds after the end of a conversation in which events of other processes may still come before it is analysed:
twice the time that a client keeps an event."""

_CALL_FIELDS = ("name", "args", "result", "runtime")
_COLUMNS = "seq, scope, session_id, conversation_id, event_id, timestamp, noted_at < 0"
_DUE = f"SELECT {_COLUMNS} FROM unanalysed WHERE abs(noted_at) NOT BETWEEN ? AND ? ORDER BY seq LIMIT ?"
_NEXT = "SELECT min(abs(noted_at)) FROM unanalysed"
_HURRY = "UPDATE unanalysed SET noted_at = noted_at - iif(noted_at < 0, -1, 1) * ?"


class Due(NamedTuple):
    """A row of ``unanalysed``: the event that ended a conversation; ``again`` because something came late."""

    seq: int
    scope: int
    session_id: str
    conversation_id: str
    event_id: str
    timestamp: int
    again: bool = False

    @property
    def key(self) -> Key:
        """Which conversation it is."""
        return Key(self.conversation_id, self.session_id, self.scope)

    @property
    def ended_at(self) -> datetime:
        """When it ended."""
        return _moment(self.timestamp)

    @property
    def origin(self) -> tuple[str, int]:
        """The event, and its time as it is stored."""
        return self.event_id, self.timestamp


@define
class Reading:
    """A conversation: its steps, the event and the time of each, and what was counted."""

    started_at: datetime
    count: Count = Factory(Count)
    steps: deque[Step] = Factory(deque)
    places: deque[tuple[str, int]] = Factory(deque)
    characters: int = 0

    def add(self, step: Step, place: tuple[str, int]) -> None:
        """Keep a step, and drop the first ones if they are too many."""
        self.steps.append(step)
        self.places.append(place)
        self.characters += _size(step)
        while len(self.steps) > MAX_STEPS or (self.characters > MAX_CHARACTERS and len(self.steps) > 1):
            self.places.popleft()
            self.characters -= _size(self.steps.popleft())


def due(connection: sqlite3.Connection, limit: int) -> list[Due]:
    """The conversations that are to be analysed now, in the order of their ends.

    One that ended a moment ago is not yet due. One that is noted for later than soon is: the clock was set back.
    """
    at = now()
    return [Due(*row) for row in connection.execute(_DUE, (at - GRACE + 1, at + GRACE, limit))]


def next_due(connection: sqlite3.Connection) -> float | None:
    """Seconds until there is one that is due; None: none waits."""
    noted: int | None = connection.execute(_NEXT).fetchone()[0]
    return None if noted is None else min(max(noted + GRACE - now(), 0), GRACE) / 1_000_000


def hurry(connection: sqlite3.Connection, event_id: str | None = None) -> None:
    """Wait no longer for what may come late: in the conversation that this event ended, or in any."""
    if event_id is None:
        connection.execute(_HURRY, (GRACE,))
    else:
        connection.execute(f"{_HURRY} WHERE event_id = ?", (GRACE, event_id))


def unanalysed(connection: sqlite3.Connection) -> int:
    """How many there are."""
    count: int = connection.execute("SELECT count(*) FROM unanalysed").fetchone()[0]
    return count


def read(connection: sqlite3.Connection, ended: Due) -> Reading:
    """What this event ended of the conversation, in order of time: a stretch, see ``timeline.py``."""
    reading = Reading(ended.ended_at)
    began = ended.timestamp
    with closing(events_until(connection, ended.key, ended.event_id)) as rows:
        for event_id, event, timestamp, properties in rows:
            began = min(began, timestamp)
            _take(reading, event, (event_id, timestamp), properties)
    reading.started_at = _moment(began)
    return reading


def _take(reading: Reading, event: str, place: tuple[str, int], text: str) -> None:
    """Count an event, and keep it where it is a step."""
    if event not in ("Conversation Turn", "Conversation Usage", "Conversation Function"):
        return
    at, properties = _moment(place[1]), orjson.loads(text)
    if event == "Conversation Function":
        call = Call(at=at, **{name: properties[name] for name in _CALL_FIELDS if name in properties})
        reading.count.call(call.runtime)
        reading.add(call, place)
        return
    reading.count.usage(properties, at)
    if event == "Conversation Turn":
        reading.count.turn()
        reading.add(Turn(at=at, user=properties["user"], assistant=properties["assistant"]), place)


def _size(step: Step) -> int:
    if isinstance(step, Turn):
        return len(step.user) + len(step.assistant)
    return len(step.args or "") + len(step.result or "")


def _moment(timestamp: int) -> datetime:
    return EPOCH + timedelta(microseconds=timestamp)
