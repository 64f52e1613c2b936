"""Sorts conversations by time, since their events may arrive in another order: several processes may record one chat.

A reopened conversation has several stretches, each with its own analysis. One begins with each ``Conversation Started``
that is later than an end. Events later than the last end belong to the last stretch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from attrs import Factory, define
from sqlalchemy import Connection, CursorResult, Text, and_, bindparam, case, func, literal, select, tuple_, update

from ..events import SESSION_STARTED, ConversationFunction, EndConversation, StartConversation
from .dialects import json_number
from .schema import INTEGERS, events

Place = tuple[int, int]
"""A time, and the order of arrival for equal times."""

FIRST: Place = (INTEGERS[0], 0)
LAST: Place = (INTEGERS[-1], 0)

_E = events.c
_OF = and_(_E.session == bindparam("session"), _E.conversation == bindparam("conversation"))
_BOUNDS = (
    select(_E.session, _E.conversation, _E.event, _E.timestamp, _E.seq)
    .where(
        _E.session.in_(bindparam("sessions", expanding=True)),
        _E.conversation.in_(bindparam("conversations", expanding=True)),
        _E.event.in_((StartConversation.event, EndConversation.event)),
    )
    .order_by(_E.timestamp, _E.seq)
)
_RUNTIME = func.coalesce(json_number(_E.properties, literal("runtime", Text())), 0)
_PLACE = tuple_(_E.timestamp, _E.seq)
_EVENTS = (
    select(_E.seq, _E.event, _E.timestamp, _E.properties, _E.former_id)
    .where(
        _OF,
        tuple_(bindparam("since"), bindparam("since_seq")) <= _PLACE,
        tuple_(bindparam("until"), bindparam("until_seq")) > _PLACE,
    )
    .order_by(_E.timestamp - case((_E.event == ConversationFunction.event, 500 * _RUNTIME), else_=0), _E.seq)
)
_LATER = and_(_OF, _E.message_index.is_not(None), _E.timestamp > bindparam("at"))
_LATEST = select(func.max(_E.timestamp)).where(_LATER)
_NEXT = select(func.min(_E.message_index)).where(_LATER)


class Key(NamedTuple):
    """A conversation: the numbers of its session and its own."""

    session: int
    conversation: int


class End(NamedTuple):
    """An event that ended a conversation, by its number. The first one to arrive causes the analysis."""

    event: int
    timestamp: int


@define
class Stretch:
    """A part of a conversation between its beginning, reopenings and ends."""

    since: Place = FIRST
    until: Place = LAST
    ends: list[End] = Factory(list)


def stretches(connection: Connection, keys: Collection[Key]) -> dict[Key, list[Stretch]]:
    """The stretches of each conversation, in order of time."""
    found = {key: [Stretch()] for key in keys}
    of_them = {"sessions": {key.session for key in keys}, "conversations": {key.conversation for key in keys}}
    for session, conversation, event, timestamp, seq in connection.execute(_BOUNDS, of_them):
        of_one = found[Key(session, conversation)]
        if event == EndConversation.event:
            of_one[-1].ends.append(End(seq, timestamp))
        elif of_one[-1].ends:
            of_one[-1].until = (timestamp, seq)
            of_one.append(Stretch(since=(timestamp, seq)))
    return found


def end_of(connection: Connection, key: Key, timestamp: int) -> End | None:
    """The end of the stretch that an event of this time belongs to, or None while the stretch is open."""
    for stretch in stretches(connection, [key])[key]:
        if timestamp < stretch.until[0]:
            return min(stretch.ends, default=None)
    return None


def events_until(
    connection: Connection, key: Key, event: int, among: Sequence[Stretch]
) -> CursorResult[int, str, int, str, str | None]:
    """The number, name, time, properties and former id of the events of the stretch that this event ended, by time.

    A call is placed by its middle. It belongs to the turn that most of it overlaps, even if it was recorded
    after that turn.

    :param among: the stretches of the conversation.
    """
    since, until = LAST, LAST
    for stretch in among:
        if any(end.event == event for end in stretch.ends):
            since, until = stretch.since, stretch.until
    bounds = {"since": since[0], "since_seq": since[1], "until": until[0], "until_seq": until[1]}
    return connection.execute(_EVENTS, {**key._asdict(), **bounds})


def last_turn(connection: Connection, key: Key) -> int:
    """The time of the latest turn."""
    latest: int | None = connection.execute(_LATEST, {**key._asdict(), "at": FIRST[0]}).scalar()
    return FIRST[0] if latest is None else latest


def make_room(connection: Connection, key: Key, timestamp: int, messages: int) -> int:
    """The index of the first message of a turn that is older than others. The later ones move up by its messages."""
    index: int = connection.execute(_NEXT, {**key._asdict(), "at": timestamp}).scalar_one()
    of_it = (_E.session == key.session, _E.conversation == key.conversation, _E.message_index >= index)
    connection.execute(update(events).where(*of_it).values(message_index=_E.message_index + messages))
    return index


def move_start(connection: Connection, session: int, conversation: int | None, timestamp: int) -> None:
    """Move the start that the server added for a session, or for one of its conversations, to an earlier time."""
    name = SESSION_STARTED if conversation is None else StartConversation.event
    of_it = (_E.session == session, _E.conversation == conversation, _E.event == name, _E.origin.is_not(None))
    connection.execute(update(events).where(*of_it, _E.timestamp > timestamp).values(timestamp=timestamp))
