"""Deletes what is older than the operator keeps it, in steps between those of the ingest, and gives the space back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from sqlalchemy import and_, exists, select

from .deleting import EVENTS_AT_ONCE, SESSIONS_AT_ONCE, delete_sessions, delete_users
from .periodic import SHARE, Periodic
from .records import Records
from .schema import aliases, apps, named, now, sessions, users
from .store import Store

T = TypeVar("T")

CHECK_SECONDS = 600.0
"""Most seconds between two checks. They are more frequent where little time is kept."""

logger = logging.getLogger("mindlytics.server")


class Retention(Periodic):
    """Keeps the sessions of a store for some time after their end.

    :param seconds: the time.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        super().__init__(max(1.0, min(CHECK_SECONDS, seconds / SHARE)), "old sessions cannot be deleted", at_once=True)
        self._store = store
        self._seconds = seconds

    async def check(self) -> None:
        """Delete the sessions that are too old."""
        count = await drop_old(self._store, now() - int(self._seconds * 1_000_000))
        if count:
            logger.info("sessions deleted, since they were too old: %d", count)


async def drop_old(store: Store, before: int) -> int:
    """Delete the sessions that ended before this time, and users who have no session since. Returns how many sessions.

    :param before: the time in the stored form.
    """
    count = 0
    for scope in await store.write(_scopes):
        while (gone := await _giving_way(store.write(partial(_drop_some, scope, before)))) != 0:
            if gone is not None:
                count += gone
                while not await _giving_way(store.compact()):
                    pass
        while await store.write(partial(_drop_users, scope, before)):
            pass
    return count


async def _giving_way(step: Awaitable[T]) -> T:
    """Take a step, and then leave the writer alone for as long as that took."""
    began = time.monotonic()
    result = await step
    await asyncio.sleep(time.monotonic() - began)
    return result


def _scopes(records: Records) -> list[int]:
    return list(records.connection.execute(select(apps.c.scope)).scalars())


def _drop_some(scope: int, before: int, records: Records) -> int | None:
    """Delete some sessions, or some of their events. Returns how many sessions are gone, or None if events are left.

    Each step looks anew, since an event in between may have reopened a session.
    """
    query = (
        select(sessions.c.seq)
        .where(sessions.c.scope == scope, sessions.c.started_at < before, sessions.c.ended_at < before)
        .order_by(sessions.c.started_at, sessions.c.seq)
        .limit(SESSIONS_AT_ONCE)
    )
    numbers = records.connection.execute(query).scalars().all()
    if numbers and delete_sessions(numbers, records) >= EVENTS_AT_ONCE:
        return None
    return len(numbers)


def _drop_users(scope: int, before: int, records: Records) -> int:
    """Delete some users who are as old, and whom no session has or names. Returns how many."""
    has_session = exists().where(sessions.c.owner == users.c.seq)
    of_name = and_(aliases.c.scope == named.c.scope, aliases.c.alias == named.c.name)
    is_named = users.c.seq.in_(select(aliases.c.owner).join(named, of_name).where(named.c.scope == scope))
    query = select(users.c.seq).where(users.c.scope == scope, users.c.created_at < before, ~has_session, ~is_named)
    numbers = records.connection.execute(query.limit(SESSIONS_AT_ONCE)).scalars().all()
    if numbers:
        delete_users(numbers, records)
    return len(numbers)
