"""The store: one thread that writes, a few that read, one SQLite file.

Requests that wait together are committed together, each behind a savepoint of its own, so that one that fails takes
nothing else with it; a request is answered only after the commit. What events do is in ``sessions.py``; filters and
rows are in ``find.py``.

Another process may write to the same file: what is held in memory is dropped as soon as that is noticed.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, TypeVar

from attrs import frozen

from ..errors import InvalidEvent, MindlyticsError
from ..events import Event
from .keyhash import hashed
from .records import App, Records, RequestKey, StoredEvent, forget_old_keys
from .schema import StoreError, file_at, open_database, open_for_reading
from .sessions import apply

T = TypeVar("T")

READERS = 4
MAX_JOBS_PER_COMMIT = 64
PRUNE_SECONDS = 3600


class RefusedEvent(MindlyticsError):
    """An event of a batch breaks a rule that only its session could tell.

    :param index: its place in the batch.
    :param cause: the rule.
    """

    def __init__(self, index: int, cause: InvalidEvent) -> None:
        self.index = index
        self.cause = cause
        super().__init__(str(cause))


@frozen
class _Job(Generic[T]):
    work: Callable[[Records], T]
    done: Future[T]


class Store:
    """An open database file.

    :param path: the file; it is made where there is none.
    :raises StoreError: the path names no file, or the file is no database of ours, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = file_at(path)
        self.on_commit: Callable[[Sequence[StoredEvent]], None] = _to_nobody
        """Called on the writer thread with the events of each commit, in order, before the requests are answered."""
        connection = open_database(self.path)
        self._salt: bytes = connection.execute("SELECT salt FROM salt").fetchone()[0]
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        self._reader = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "mindlytics-reader")
        self._writer = threading.Thread(target=self._write, args=(connection,), name="mindlytics-writer", daemon=True)
        self._writer.start()

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
        """
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[Records], T]) -> Future[T]:
        """The same from any thread, to be waited for there.

        :raises StoreError: the store is closed.
        """
        with self._closing:
            if self._closed:
                raise StoreError(f"{self.path} is closed")
            job = _Job(work, Future[T]())
            self._jobs.put(job)
        return job.done

    def _write(self, connection: sqlite3.Connection) -> None:
        records = Records(connection)
        version, prune_at = None, 0.0
        while (job := self._jobs.get()) is not None:
            jobs = [job]
            while len(jobs) < MAX_JOBS_PER_COMMIT and not self._jobs.empty():
                if (waiting := self._jobs.get()) is None:
                    self._jobs.put(None)
                    break
                jobs.append(waiting)
            jobs = [job for job in jobs if job.done.set_running_or_notify_cancel()]
            try:
                connection.execute("BEGIN IMMEDIATE")
                if version != (version := connection.execute("PRAGMA data_version").fetchone()[0]):
                    records.forget()
                if time.monotonic() >= prune_at:
                    forget_old_keys(connection)
                    prune_at = time.monotonic() + PRUNE_SECONDS
                outcomes = [_attempt(connection, records, job) for job in jobs]
                connection.execute("COMMIT")
            except Exception as error:
                records.forget()
                records.written.clear()
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                for job in jobs:
                    job.done.set_exception(error)
                continue
            self.on_commit(records.written)
            records.written.clear()
            for job, (result, problem) in zip(jobs, outcomes, strict=True):
                if problem is not None:
                    job.done.set_exception(problem)
                else:
                    job.done.set_result(result)
        connection.close()

    # -- reading

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query`` on a reader thread, over a connection that sees what is committed and cannot write."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._reader, "connection", None)
        if connection is None:
            connection = self._reader.connection = open_for_reading(self.path)
            self._reading.append(connection)
        connection.execute("BEGIN")
        try:
            return query(connection)
        finally:
            connection.execute("COMMIT")

    def close(self) -> None:
        """Finish what waits, then close the file. Closing twice is harmless."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()
        self._writer.join()


def _to_nobody(_: Sequence[StoredEvent]) -> None:
    """Tell nobody."""


def _attempt(connection: sqlite3.Connection, records: Records, job: _Job[Any]) -> tuple[Any, Exception | None]:
    """Run one job behind a savepoint: its result, or its error with all of its writes undone."""
    connection.execute("SAVEPOINT job")
    before = len(records.written)
    try:
        result = job.work(records)
        records.end_request()
    except Exception as error:
        records.forget()
        del records.written[before:]
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        return None, error
    connection.execute("RELEASE job")
    return result, None
