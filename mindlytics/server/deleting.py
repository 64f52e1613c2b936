"""Deletes sessions and users with all that belongs to them, in steps that let events in between.

Triggers keep the index of words.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from .records import Records
from .schema import aliases, conversations, devices, events, intents, named, sessions, unanalysed, unindexed, users

EVENTS_AT_ONCE = 250
"""Most events of one step."""
SESSIONS_AT_ONCE = 100
"""Most sessions of one step."""


def delete_sessions(numbers: Sequence[int], records: Records) -> int:
    """Delete these sessions, or some of their events if they have many. Returns the number of deleted events.

    They are gone once it returns less than :data:`EVENTS_AT_ONCE`. Until then, call it again.
    """
    connection = records.connection
    records.flush()
    some = select(events.c.seq).where(events.c.session.in_(numbers)).limit(EVENTS_AT_ONCE)
    found = connection.execute(some).scalars().all()
    connection.execute(delete(events).where(events.c.seq.in_(found)))
    if len(found) < EVENTS_AT_ONCE:
        for table in (intents, unanalysed, conversations, named):
            connection.execute(delete(table).where(table.c.session.in_(numbers)))
        connection.execute(delete(sessions).where(sessions.c.seq.in_(numbers)))
    records.forget()
    return len(found)


def delete_all_of(numbers: Sequence[int], records: Records) -> None:
    """Delete users and their sessions, all in one step."""
    records.flush()
    some = select(sessions.c.seq).where(sessions.c.owner.in_(numbers)).limit(SESSIONS_AT_ONCE)
    while found := records.connection.execute(some).scalars().all():
        delete_sessions(found, records)
    delete_users(numbers, records)


def delete_users(numbers: Sequence[int], records: Records) -> None:
    """Delete users who have no sessions."""
    records.flush()
    for table in (aliases, devices):
        records.connection.execute(delete(table).where(table.c.owner.in_(numbers)))
    for rows in (unindexed, users):
        records.connection.execute(delete(rows).where(rows.c.seq.in_(numbers)))
    records.forget()
