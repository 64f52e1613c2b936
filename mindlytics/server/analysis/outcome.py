"""The outcome of an analysis, and how it is stored: once for each end, or in place of an earlier outcome.

Late events may change the result. Then the earlier findings are removed, and the new ``Conversation Summary`` names the
one that it replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from attrs import define
from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, select

from ...events import CONVERSATION_SUMMARY, INTENT_CLOSED, INTENT_INFORMED, ML_ERROR
from ..query import event_id
from ..records import Records
from ..schema import events, unanalysed
from ..schema import intents as intent_rows
from ..stored import STORED_EVENTS, StoredEvent
from ..timeline import Key
from ..users import traits_json
from .reading import Due

_NAMES = (INTENT_INFORMED, INTENT_CLOSED, ML_ERROR, CONVERSATION_SUMMARY)


class Made(NamedTuple):
    """An event to be stored: its name, its properties as JSON, the event that caused it, and the time of that."""

    event: str
    properties: str
    origin: int
    timestamp: int


class Found(NamedTuple):
    """A row of the table ``intents``, with the numbers of its first and last events."""

    scope: int
    session: int
    conversation: int
    intent: str
    intent_fulfilled: str
    summary: str | None
    sentiment: str | None
    informed_by: int
    informed_at: int
    closed_by: int
    closed_at: int
    analysis: str


@define
class Outcome:
    """The outcome of one analysis: events, ending with the summary, and rows of the table ``intents``."""

    due: Due
    made: list[Made]
    intents: list[Found]


_CLAIM = delete(unanalysed).where(unanalysed.c.seq == bindparam("note"), unanalysed.c.event == bindparam("ending"))
_INTENTS = insert(intent_rows)


def add_all(records: Records, outcomes: Sequence[Outcome]) -> None:
    """Store outcomes, except those that another server stored first."""
    ids = _ids(records.connection, {event.origin for outcome in outcomes for event in outcome.made})
    for outcome in outcomes:
        ended = outcome.due
        if records.connection.execute(_CLAIM, {"note": ended.seq, "ending": ended.event}).rowcount:
            _add(records, outcome, ids)


def _add(records: Records, outcome: Outcome, ids: Mapping[int, str]) -> None:
    """Store an outcome.

    :param ids: those of the events that caused its events.
    """
    ended, connection = outcome.due, records.connection
    session = records.session(ended.scope, ended.session_id)
    assert session is not None
    conversation = records.conversation(session, ended.conversation_id)
    assert conversation is not None
    made = outcome.made
    removed = 0
    priced = _priced(made[-1].properties)
    if ended.again and (former := _found(connection, ended.key, ended.event)):
        removed = _remove(connection, ended, former)
        priced -= _priced(former[-1].properties)
        properties = {**orjson.loads(made[-1].properties), "replaces": former[-1].event_id}
        made = [*made[:-1], made[-1]._replace(properties=orjson.dumps(properties).decode())]
    traits = traits_json(session.user)
    records.written.extend(
        StoredEvent(
            number,
            ended.scope,
            session.seq,
            conversation.seq,
            event.origin,
            event.timestamp,
            event.event,
            event.properties,
            traits,
            -1,
            ended.session_id,
            ended.conversation_id,
            session.user.user_id,
            records.event_id(number),
            ids[event.origin],
        )
        for number, event in enumerate(made, records.number(len(made)))
    )
    if outcome.intents:
        connection.execute(_INTENTS, [found._asdict() for found in outcome.intents])
    if priced:  # the other costs were added when they came
        conversation.cost = max((conversation.cost or 0.0) + priced, 0.0)
    for counted in (session, conversation):
        counted.event_count += len(made) - removed
        records.changed(counted)


def _priced(summary: str) -> float:
    """How much of the cost in a summary is the price of tokens."""
    priced = orjson.loads(summary).get("priced")
    return float(priced) if isinstance(priced, (int, float)) else 0.0


def made_of(ending: StoredEvent, connection: Connection) -> list[StoredEvent]:
    """The events of the analysis that this event caused. Empty until it has ended."""
    return _found(connection, ending.key, ending.seq)


def _ids(connection: Connection, numbers: set[int]) -> dict[int, str]:
    """The ids of events, by their numbers."""
    query = select(events.c.seq, event_id(events)).where(events.c.seq.in_(numbers))
    return {row[0]: row[1] for row in connection.execute(query)}


def _found(connection: Connection, key: Key, ending: int) -> list[StoredEvent]:
    """The events of one outcome: those from the previous summary, or the end of the conversation, to its summary."""
    last = connection.execute(_summary(key).where(events.c.origin == ending)).scalar()
    if last is None:
        return []
    before = connection.execute(_summary(key).where(events.c.seq < last)).scalar() or 0
    query = STORED_EVENTS.where(
        _of(key), events.c.event.in_(_NAMES), events.c.seq > max(before, ending), events.c.seq <= last
    )
    return [StoredEvent(*row) for row in connection.execute(query.order_by(events.c.seq))]


def _of(key: Key) -> Any:
    """The events that the server made in a conversation."""
    return and_(
        events.c.session == key.session, events.c.conversation == key.conversation, events.c.origin.is_not(None)
    )


def _summary(key: Key) -> Select[Any]:
    """The last summary of a conversation."""
    return select(func.max(events.c.seq)).where(_of(key), events.c.event == CONVERSATION_SUMMARY)


def _remove(connection: Connection, ended: Due, former: list[StoredEvent]) -> int:
    """Remove earlier findings. Returns the number of removed events."""
    connection.execute(delete(events).where(events.c.seq.in_([event.seq for event in former])))
    informed = [event.origin for event in former if event.event == INTENT_INFORMED]
    connection.execute(
        delete(intent_rows).where(
            intent_rows.c.session == ended.session,
            intent_rows.c.conversation == ended.conversation,
            intent_rows.c.informed_by.in_(informed),
        )
    )
    return len(former)
