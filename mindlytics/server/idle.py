"""Ends sessions that have had no event for a while, at the time of their last event.

The arrival of events counts, so old transcripts may be imported slowly. The wait restarts with the server.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial

from sqlalchemy import Connection, bindparam, func, select

from ..events import EndSession
from .periodic import SHARE, Periodic
from .records import Records
from .schema import as_datetime, events, sessions
from .sessions import apply
from .store import Store

IDLE_SECONDS = 1800.0
"""The default time."""

IDLE = {"reason": "idle"}
"""The properties of such a ``Session Ended``."""

AT_ONCE = 200
"""Most sessions that are checked in one read and ended in one transaction."""

_NEWEST = select(func.coalesce(func.max(events.c.seq), 0))
_LAST = select(events.c.seq).order_by(events.c.seq.desc()).limit(1)
_OPEN = (
    select(sessions.c.seq, sessions.c.scope, sessions.c.session_id)
    .where(
        sessions.c.ended_at.is_(None),
        sessions.c.seq > bindparam("after"),
        _LAST.where(events.c.session == sessions.c.seq).correlate(sessions).scalar_subquery() <= bindparam("mark"),
    )
    .order_by(sessions.c.seq)
    .limit(AT_ONCE)
)

Found = list[tuple[int, int, str]]


class Idle(Periodic):
    """Ends the idle sessions of a store.

    :param seconds: the time without an event after which a session is idle.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        super().__init__(max(seconds / SHARE, min(1.0, seconds)), "idle sessions cannot be ended")
        self._store = store
        self._seconds = seconds
        self._marks: deque[tuple[float, int]] = deque()

    async def check(self) -> None:
        """End the sessions whose events are all older than the idle time."""
        at = time.monotonic()
        newest = await self._store.read(lambda connection: connection.execute(_NEWEST).scalar_one())
        self._marks.append((at, newest))
        mark = None
        while self._marks and self._marks[0][0] <= at - self._seconds:
            _, mark = self._marks.popleft()
        after = 0
        while mark is not None:
            found = await self._store.read(partial(_idle, after, mark))
            if not found:
                break
            await self._store.write(partial(_end, found, mark))
            after = found[-1][0]


def _idle(after: int, mark: int, connection: Connection) -> Found:
    """The open sessions without an event after the mark."""
    return [(row[0], row[1], row[2]) for row in connection.execute(_OPEN, {"after": after, "mark": mark})]


def _end(found: Found, mark: int, records: Records) -> None:
    """End those that are still idle. Another server on the same database may have been first."""
    for _, scope, session_id in found:
        session = records.session(scope, session_id)
        if session is None or session.ended_at is not None:
            continue
        mine = events.c.session == session.seq
        if records.connection.execute(_LAST.where(mine)).scalar_one() > mark:
            continue
        latest = records.connection.execute(select(func.max(events.c.timestamp)).where(mine)).scalar_one()
        apply(records, scope, EndSession(session_id=session_id, timestamp=as_datetime(latest), attributes=IDLE))
