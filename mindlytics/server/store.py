"""The store: one SQLite file, the thread that writes to it and those that read.

The writing is in ``writer.py``, the reading in ``reads.py``. What events do is in ``sessions.py``; filters and rows are
in ``find.py``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InvalidEvent, MindlyticsError
from ..events import Event
from .keyhash import hashed
from .reads import READ_SECONDS, Reads
from .records import App, Records, RequestKey, StoredEvent
from .schema import file_at, open_database
from .sessions import apply
from .unavailable import OpenFile
from .writer import Writer

T = TypeVar("T")

PROBE = 256 * 1024
"""After a write that failed, the health check writes so many bytes, and removes them again."""


class RefusedEvent(MindlyticsError):
    """An event of a batch breaks a rule that only its session could tell.

    :param index: its place in the batch.
    :param cause: the rule.
    """

    def __init__(self, index: int, cause: InvalidEvent) -> None:
        self.index = index
        self.cause = cause
        super().__init__(str(cause))


class Store:
    """An open database file.

    :param path: the file; it is made where there is none.
    :param read_timeout: seconds in which a read has to end, 0: no limit.
    :raises StoreError: the path names no file, or the file is no database of ours, or cannot be written.
    """

    def __init__(self, path: str | Path, *, read_timeout: float = READ_SECONDS) -> None:
        self.path = file_at(path)
        connection = open_database(self.path)
        self._salt: bytes = connection.execute("SELECT salt FROM salt").fetchone()[0]
        self._file = OpenFile(self.path)
        self._reads = Reads(self.path, self._file, read_timeout)
        self._writer = Writer(connection, self.path, self._file, self._reads)

    @property
    def on_commit(self) -> Callable[[Sequence[StoredEvent]], None]:
        """Called on the writer thread with the events of each commit, in order, before the requests are answered."""
        return self._writer.on_commit

    @on_commit.setter
    def on_commit(self, publish: Callable[[Sequence[StoredEvent]], None]) -> None:
        self._writer.on_commit = publish

    def hashed(self, api_key: str) -> str:
        """An API key as the file knows it, which is how everything here names it."""
        return hashed(api_key, self._salt)

    # -- writing

    async def ingest(
        self, key_hash: str, app_id: str, events: Sequence[Event], *, key: RequestKey | None = None
    ) -> tuple[App, list[StoredEvent]]:
        """Store events, all or none; the app and the stored events, after the commit.

        :param key: if it was seen before, nothing is stored and the list is empty.
        :raises ReusedKey: it was, with other events.
        :raises RefusedEvent: an event would begin a session and names nobody.
        """

        def work(records: Records) -> tuple[App, list[StoredEvent]]:
            app = records.app(key_hash, app_id)
            stored: list[StoredEvent] = []
            if key is not None and records.seen(app, key):
                return app, stored
            for index, event in enumerate(events):
                try:
                    stored += apply(records, app.scope, event)
                except InvalidEvent as error:
                    raise RefusedEvent(index, error) from error
            return app, stored

        return await self.write(work)

    async def write(self, work: Callable[[Records], T]) -> T:
        """Run ``work`` on the writer thread within a transaction; its result, after the commit.

        :raises StoreError: the store is closed.
        :raises Unavailable: the file cannot be written for now.
        """
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[Records], T]) -> Future[T]:
        """The same from any thread, to be waited for there.

        :raises StoreError: the store is closed.
        """
        return self._writer.submit(work)

    # -- reading

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query`` on a reader thread, over a connection that sees what is committed and cannot write.

        :raises Unavailable: it took too long, or the file cannot be read for now.
        """
        return await self._reads.read(query)

    async def look_up(self, sql: str, parameters: Sequence[object]) -> Any:
        """The first row of a query that an index answers, or None. Other reads do not delay it.

        :raises Unavailable: the file cannot be read for now.
        """
        return await self._reads.look_up(sql, parameters)

    # -- health and end

    async def check(self) -> None:
        """See whether events can be stored. After a write that failed, this writes something.

        :raises Unavailable: they cannot.
        """
        self._file.check()
        self._file.check_disk()
        if self._writer.problem is not None:
            await self.write(_write_probe)
            await self.write(_remove_probe)

    def stop_reading(self) -> None:
        """Give up what is being read, since the server stops."""
        self._reads.stop()

    def close(self) -> None:
        """Finish what waits to be written, then close the file. Closing twice is harmless."""
        self._reads.close()
        self._writer.close()


def _write_probe(records: Records) -> None:
    sql = "REPLACE INTO idempotency_keys (scope, key, seen_at, answer) VALUES (0, 'probe', 0, zeroblob(?))"
    records.connection.execute(sql, (PROBE,))


def _remove_probe(records: Records) -> None:
    records.connection.execute("DELETE FROM idempotency_keys WHERE (scope, key) = (0, 'probe')")
