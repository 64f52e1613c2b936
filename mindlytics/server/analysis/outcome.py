"""The outcome of an analysis, and how it is stored: once for each end, or in place of an earlier outcome.

Late events may change the result. Then the earlier findings are removed, and the new ``Conversation Summary`` names the
one that it replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from attrs import Factory, define
from sqlalchemy import Connection, Select, and_, bindparam, delete, func, select

from ...events import CONVERSATION_SUMMARY, INTENT_CLOSED, INTENT_INFORMED, ML_ERROR
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
    """The outcome of one analysis: events, ending with the summary, and rows of the table ``intents``.

    :param former_ids: the ids of events of the conversation that an earlier version stored, by their numbers.
    """

    due: Due
    made: list[Made] = Factory(list)
    intents: list[Found] = Factory(list)
    former_ids: Mapping[int, str] = Factory(dict)


_OF_NOTES = unanalysed.c.seq.in_(bindparam("notes", expanding=True))
_NOTED = select(unanalysed.c.seq, unanalysed.c.event).where(_OF_NOTES)
_CLAIM = delete(unanalysed).where(_OF_NOTES)


def add_all(records: Records, outcomes: Sequence[Outcome]) -> None:
    """Store outcomes, except those that another server stored first."""
    connection = records.connection
    notes = {"notes": [outcome.due.seq for outcome in outcomes]}
    noted = {(seq, event) for seq, event in connection.execute(_NOTED, notes)}
    first = [outcome for outcome in outcomes if (outcome.due.seq, outcome.due.event) in noted]
    if not first:
        return
    connection.execute(_CLAIM, {"notes": [outcome.due.seq for outcome in first]})
    for scope in {outcome.due.scope for outcome in first}:
        records.load(scope, [outcome.due.session_id for outcome in first if outcome.due.scope == scope])
    for outcome in first:
        _add(records, outcome)
    records.add_intents(Found._fields, [found for outcome in first for found in outcome.intents])


def _add(records: Records, outcome: Outcome) -> None:
    """Store an outcome, but for its intents."""
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
            _id(records, outcome, event.origin),
        )
        for number, event in enumerate(made, records.number(len(made)))
    )
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


def _id(records: Records, outcome: Outcome, number: int) -> str:
    """The id of an event of the conversation."""
    if number == outcome.due.event:
        return outcome.due.event_id
    return outcome.former_ids.get(number) or records.event_id(number)


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
