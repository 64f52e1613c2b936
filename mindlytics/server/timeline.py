"""Conversations in order of time, although their events arrive in another: several processes may record one chat.

Where a conversation was reopened, it has several stretches, each with an analysis of its own: one begins with each
``Conversation Started`` that is later than an end. Events that are later than the last end belong to the last stretch.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from attrs import Factory, define

CONVERSATION_STARTED = "Conversation Started"
CONVERSATION_ENDED = "Conversation Ended"

Place = tuple[int, int]
"""A time and a place in the order of arrival, which decides between equal times."""

FIRST: Place = (-(2**63), 0)
LAST: Place = (2**63 - 1, 0)

_OF = "conversation_id = ? AND session_id = ? AND scope = ?"
_BOUNDS = f"""
    SELECT event, timestamp, seq, event_id FROM events
     WHERE {_OF} AND event IN ('{CONVERSATION_STARTED}', '{CONVERSATION_ENDED}') ORDER BY timestamp, seq
"""
_EVENTS = f"""
    SELECT event_id, event, timestamp, properties FROM events
     WHERE {_OF} AND (timestamp, seq) >= (?, ?) AND (timestamp, seq) < (?, ?)
     ORDER BY timestamp - iif(event = 'Conversation Function', 500 * json_extract(properties, '$.runtime'), 0), seq
"""
_LATER = f"FROM events WHERE {_OF} AND message_index IS NOT NULL AND timestamp > ?"


class Key(NamedTuple):
    """Which conversation."""

    conversation_id: str
    session_id: str
    scope: int


class End(NamedTuple):
    """An event that ended a conversation. The first to arrive is the one that its analysis is due to."""

    arrived: int
    event_id: str
    timestamp: int


@define
class Stretch:
    """A part of a conversation between its beginning, reopenings and ends."""

    since: Place = FIRST
    until: Place = LAST
    ends: list[End] = Factory(list)


def stretches(connection: sqlite3.Connection, key: Key) -> list[Stretch]:
    """The stretches of a conversation, in order of time."""
    found = [Stretch()]
    for event, timestamp, seq, event_id in connection.execute(_BOUNDS, key):
        if event == CONVERSATION_ENDED:
            found[-1].ends.append(End(seq, event_id, timestamp))
        elif found[-1].ends:
            found[-1].until = (timestamp, seq)
            found.append(Stretch(since=(timestamp, seq)))
    return found


def end_of(connection: sqlite3.Connection, key: Key, timestamp: int) -> End | None:
    """The end to whose analysis an event of this time belongs; None while that stretch has not ended."""
    for stretch in stretches(connection, key):
        if timestamp < stretch.until[0]:
            return min(stretch.ends, default=None)
    return None


def events_until(connection: sqlite3.Connection, key: Key, event_id: str) -> sqlite3.Cursor:
    """The id, name, time and properties of the events of the stretch that this event ended, in order of time.

    A call has the place of its middle: it belongs to the turn in whose time most of it lies, even if it was recorded
    after that turn.
    """
    for stretch in stretches(connection, key):
        if any(end.event_id == event_id for end in stretch.ends):
            return connection.execute(_EVENTS, (*key, *stretch.since, *stretch.until))
    return connection.execute(_EVENTS, (*key, *LAST, *LAST))


def last_turn(connection: sqlite3.Connection, key: Key) -> int:
    """The time of the latest turn."""
    latest: int | None = connection.execute(f"SELECT max(timestamp) {_LATER}", (*key, FIRST[0])).fetchone()[0]
    return FIRST[0] if latest is None else latest


def make_room(connection: sqlite3.Connection, key: Key, timestamp: int, messages: int) -> int:
    """The index of the first message of a turn that is older than others, which move on by so many messages."""
    later = (*key, timestamp)
    index: int = connection.execute(f"SELECT min(message_index) {_LATER}", later).fetchone()[0]
    where = f"{_OF} AND message_index >= ?"
    connection.execute(f"UPDATE events SET message_index = message_index + ? WHERE {where}", (messages, *key, index))
    return index
