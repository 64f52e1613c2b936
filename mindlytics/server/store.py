"""The store: one database, the thread that writes to it and those that read.

``writer.py`` writes, and ``reads.py`` reads. ``sessions.py`` applies events, and ``find.py`` has filters and rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, delete, select

from .apps import App
from .database import database_at
from .decoding import Taken
from .dialects import upsert
from .idempotency import RequestKey, remember
from .keyhash import hashed
from .reads import READ_SECONDS, Reads
from .records import Records
from .schema import idempotency_keys
from .schema import store as store_table
from .sessions import apply_all
from .stored import StoredEvent
from .writer import Writer

T = TypeVar("T")

PROBE = 256 * 1024
"""Bytes that the health check writes and removes again after a failed write."""


class Store:
    """An open database.

    :param place: the path of a file, which is made if it is missing, or a URL, ``postgresql://…``.
    :param read_timeout: the limit of a read in seconds. 0: no limit.
    :raises StoreError: it is not a database, belongs to another program, or cannot be written.
    """

    def __init__(self, place: str | Path, *, read_timeout: float = READ_SECONDS) -> None:
        self.database = database_at(place)
        connection = self.database.open()
        with connection.begin():
            self._salt: bytes = connection.execute(select(store_table.c.salt)).scalar_one()
        self._reads = Reads(self.database, read_timeout)
        self._writer = Writer(connection, self.database, self._reads)

    @property
    def on_commit(self) -> Callable[[Sequence[StoredEvent]], None]:
        """Called on the writer thread with the events of each commit, in order, before the requests are answered."""
        return self._writer.on_commit

    @on_commit.setter
    def on_commit(self, publish: Callable[[Sequence[StoredEvent]], None]) -> None:
        self._writer.on_commit = publish

    @property
    def problem(self) -> str | None:
        """Why the last commit failed, or None."""
        return self._writer.problem

    def hashed(self, api_key: str) -> str:
        """The hash of an API key, which names it here."""
        return hashed(api_key, self._salt)

    # -- writing

    async def ingest(
        self, key_hash: str, app_id: str, events: Sequence[Taken], *, key: RequestKey | None = None
    ) -> tuple[App, list[StoredEvent]]:
        """Store all events or none. Returns the app and the stored events, after the commit.

        :param key: an Idempotency-Key. If it was seen before, nothing is stored and the list is empty.
        :raises ReusedKey: the key was seen with other events.
        :raises RefusedEvent: an event would begin a session without a user or device.
        """

        def work(records: Records) -> tuple[App, list[StoredEvent]]:
            app = records.app(key_hash, app_id)
            if key is not None and not remember(records.connection, app.scope, key):
                return app, []
            return app, apply_all(records, app.scope, events)

        return await self.write(work)

    async def write(self, work: Callable[[Records], T]) -> T:
        """Run ``work`` on the writer thread within a transaction. Returns its result after the commit.

        :raises StoreError: the store is closed.
        :raises Unavailable: the database cannot be written at present.
        """
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[Records], T]) -> Future[T]:
        """Like :meth:`write`, for any thread. Returns a future of the result.

        :raises StoreError: the store is closed.
        """
        return self._writer.submit(work)

    async def compact(self, *, whole: bool = False) -> bool:
        """Give back the space of what was deleted, after all that waits to be written. Returns whether it was all.

        :param whole: write the database anew, so that no byte of it is left. This takes as long as a copy. Otherwise
            it is a part of the space, so that other writes come in between.
        :raises Unavailable: somebody reads without end, or the disk has no room.
        """
        return await asyncio.wrap_future(self._writer.compact(whole=whole))

    # -- reading

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on a reader thread, over a read-only connection, which sees committed data.

        :raises Unavailable: it took too long, or the database cannot be read at present.
        """
        return await self._reads.read(query)

    async def look_up(self, query: Select[Any]) -> Row[Any] | None:
        """The first row of a query that an index answers, or None. Other reads do not delay it.

        :raises Unavailable: the database cannot be read at present.
        """
        return await self._reads.look_up(query)

    # -- health and end

    async def check(self) -> None:
        """Check that events can be stored. After a failed write, this writes something.

        :raises Unavailable: they cannot be stored.
        """
        self.database.check()
        self.database.check_room()
        if self.problem is not None:
            await self.write(_write_probe)
            await self.write(_remove_probe)

    def stop_reading(self) -> None:
        """Give up what is being read, since the server stops."""
        self._reads.stop()

    def close(self) -> None:
        """Finish what waits to be written, then close the database. Closing twice is harmless."""
        self._reads.close()
        self._writer.close()


def _write_probe(records: Records) -> None:
    values = {"scope": 0, "key": "probe", "seen_at": 0, "answer": " " * PROBE}
    probe = upsert(records.connection.dialect.name, idempotency_keys).values(**values)
    records.connection.execute(probe.on_conflict_do_nothing())


def _remove_probe(records: Records) -> None:
    records.connection.execute(delete(idempotency_keys).where(idempotency_keys.c.scope == 0))
