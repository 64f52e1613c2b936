"""What came of an analysis, and how it is stored: once for each end, or in place of what was found before.

Something that came late may change what a conversation was about. Then what was found in it before is removed, and the
new ``Conversation Summary`` names the one that it replaces.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

import orjson
from attrs import define

from ..records import Records, StoredEvent
from ..sessions import ML_ERROR
from ..users import traits_json
from .reading import Due

CONVERSATION_SUMMARY = "Conversation Summary"
INTENT_INFORMED = "Intent Informed"
INTENT_CLOSED = "Intent Closed"

_NAMES = (INTENT_INFORMED, INTENT_CLOSED, ML_ERROR, CONVERSATION_SUMMARY)


class Made(NamedTuple):
    """An event to be stored: its name, its properties as JSON, the event that it is due to, and when that was."""

    event: str
    properties: str
    origin_event_id: str
    timestamp: int


@define
class Outcome:
    """What came of one analysis: events, the last of which is the summary, and rows of the table ``intents``."""

    due: Due
    made: list[Made]
    intents: list[tuple[Any, ...]]


def add(records: Records, outcome: Outcome) -> None:
    """Store an outcome, unless another server was first."""
    ended = outcome.due
    if not records.connection.execute(_CLAIM, (ended.seq, ended.event_id)).rowcount:
        return
    session = records.session(ended.scope, ended.session_id)
    conversation = records.conversation(ended.scope, ended.session_id, ended.conversation_id)
    assert session is not None
    assert conversation is not None
    made = outcome.made
    removed = 0
    if ended.again and (former := _found(records.connection, ended)):
        removed = _remove(records.connection, former)
        properties = {**orjson.loads(made[-1].properties), "replaces": former[-1].event_id}
        made = [*made[:-1], made[-1]._replace(properties=orjson.dumps(properties).decode())]
    traits = traits_json(records.user(ended.scope, session.user_id))
    for event in made:
        records.add_event(
            StoredEvent(
                ended.scope,
                records.new_event_id(),
                event.origin_event_id,
                ended.session_id,
                ended.conversation_id,
                session.user_id,
                event.timestamp,
                event.event,
                event.properties,
                traits,
                None,
            )
        )
    records.connection.executemany(_ADD_INTENT, outcome.intents)
    for counted in (session, conversation):
        counted.event_count += len(made) - removed
        records.changed(counted)


def made_of(ending: StoredEvent, connection: sqlite3.Connection) -> list[StoredEvent]:
    """What the analysis made that was due with this event; empty while it has not ended."""
    return _found(connection, ending)


def _found(connection: sqlite3.Connection, ending: StoredEvent | Due) -> list[StoredEvent]:
    """The events of one outcome: those between the summary and the one before it, or the end of the conversation."""
    where = (ending.scope, ending.session_id, ending.conversation_id)
    row = connection.execute(_SUMMARY, (*where, CONVERSATION_SUMMARY, ending.event_id)).fetchone()
    if row is None:
        return []
    (last,) = row
    rows = connection.execute(_MADE, (*where, *_NAMES, *where, CONVERSATION_SUMMARY, last, ending.event_id, last))
    return [StoredEvent(*row) for row in rows]


def _remove(connection: sqlite3.Connection, former: list[StoredEvent]) -> int:
    """Remove what was found before; how many events that were."""
    connection.executemany("DELETE FROM events WHERE event_id = ?", [(event.event_id,) for event in former])
    connection.executemany(
        "DELETE FROM intents WHERE session_id = ? AND scope = ? AND conversation_id = ? AND informed_by = ?",
        [
            (event.session_id, event.scope, event.conversation_id, event.origin_event_id)
            for event in former
            if event.event == INTENT_INFORMED
        ],
    )
    return len(former)


_CLAIM = "DELETE FROM unanalysed WHERE seq = ? AND event_id = ?"
_ADD_INTENT = (
    "INSERT INTO intents (scope, session_id, conversation_id, intent, intent_fulfilled, summary, sentiment,"
    " informed_by, informed_at, closed_by, closed_at, analysis) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OF = "scope = ? AND session_id = ? AND conversation_id = ? AND origin_event_id IS NOT NULL"
_SUMMARY = f"SELECT max(seq) FROM events WHERE {_OF} AND event = ? AND origin_event_id = ? HAVING max(seq) IS NOT NULL"
_MADE = f"""
    SELECT {", ".join(StoredEvent._fields)} FROM events
     WHERE {_OF} AND event IN (?, ?, ?, ?)
       AND seq > coalesce((SELECT max(seq) FROM events WHERE {_OF} AND event = ? AND seq < ?), 0)
       AND seq > (SELECT seq FROM events WHERE event_id = ?) AND seq <= ?
     ORDER BY seq
"""
