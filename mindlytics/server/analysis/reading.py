"""A conversation that has ended, read from the store: its steps, which events they are, and what they come to."""

from __future__ import annotations

import sqlite3
from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from attrs import Factory, define

from ..schema import EPOCH
from ..sessions import CONVERSATION_ENDED
from . import Call, Step, Turn
from .counted import Count

MAX_STEPS = 2_000
MAX_CHARACTERS = 8 * 1024 * 1024
"""Of a conversation that is longer, an analysis is given the last steps; what is counted is counted whole."""

_CALL_FIELDS = ("name", "args", "result", "runtime")
_DUE = "SELECT seq, scope, session_id, conversation_id, event_id, timestamp FROM unanalysed ORDER BY seq LIMIT ?"
_EVENTS = (
    "SELECT event_id, event, timestamp, properties FROM events"
    " WHERE conversation_id = ? AND session_id = ? AND scope = ? ORDER BY seq"
)


class Due(NamedTuple):
    """A row of ``unanalysed``: the event that ended a conversation."""

    seq: int
    scope: int
    session_id: str
    conversation_id: str
    event_id: str
    timestamp: int

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
    """The conversations that are to be analysed, in the order of their ends."""
    return [Due(*row) for row in connection.execute(_DUE, (limit,))]


def unanalysed(connection: sqlite3.Connection) -> int:
    """How many there are."""
    count: int = connection.execute("SELECT count(*) FROM unanalysed").fetchone()[0]
    return count


def read(connection: sqlite3.Connection, ended: Due) -> Reading:
    """The conversation up to the event that ended it; from its start, or if it was reopened, from the end before."""
    reading = None
    rows = connection.execute(_EVENTS, (ended.conversation_id, ended.session_id, ended.scope))
    for event_id, event, timestamp, properties in rows:
        if reading is None:
            reading = Reading(_moment(timestamp))
        if event_id == ended.event_id:
            break
        if event == CONVERSATION_ENDED:
            reading = None
        else:
            _take(reading, event, (event_id, timestamp), properties)
    rows.close()
    return reading if reading is not None else Reading(ended.ended_at)


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
