"""The one thread that writes to the database. It takes jobs, and returns their results after the commit.

Waiting jobs are committed together. Each has its own savepoint, so a failing job leaves the others intact. If another
process writes to the same database, the cached records are dropped.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from attrs import frozen
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .database import Database
from .forgotten import drop_old
from .idempotency import forget_old_keys
from .reads import Reads
from .records import Records
from .schema import StoreError
from .stored import StoredEvent

T = TypeVar("T")

MAX_JOBS_PER_COMMIT = 64
PRUNE_SECONDS = 3600

HOLD_SECONDS = 5.0
"""How long reads are held back at most, and then allowed again. Another process may keep the log from shrinking."""

LOOK_SECONDS = 0.02
"""Time between two checks whether the running reads have ended, while new ones are held back."""

logger = logging.getLogger("mindlytics.server")


@frozen
class _Job(Generic[T]):
    work: Callable[[Records], T]
    done: Future[T]


@frozen
class _Compaction:
    """Work that runs outside of transactions."""

    whole: bool
    done: Future[bool]


class Writer:
    """The writing thread of one database.

    :param connection: used only by the thread from now on.
    :param reads: held back while the log of writes is too long.
    """

    def __init__(self, connection: Connection, database: Database, reads: Reads) -> None:
        self.on_commit: Callable[[Sequence[StoredEvent]], None] = _to_nobody
        self.problem: str | None = None
        """Why the last commit failed, or None."""
        self._connection = connection
        self._database = database
        self._reads = reads
        self._log = database.log(connection)
        self._held_at: float | None = None
        self._hold_again_at = 0.0
        self._records = Records(connection)
        self._prune_at = 0.0
        self._jobs: queue.SimpleQueue[_Job[Any] | _Compaction | None] = queue.SimpleQueue()
        self._compactions: list[_Compaction] = []
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="mindlytics-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Records], T]) -> Future[T]:
        """Run ``work`` on the writing thread within a transaction. The future has its result after the commit.

        :raises StoreError: the store is closed.
        """
        with self._closing:
            if self._closed:
                raise StoreError(f"{self._database.name} is closed")
            job = _Job(work, Future[T]())
            self._jobs.put(job)
        return job.done

    def compact(self, *, whole: bool) -> Future[bool]:
        """Give back the space of what was deleted. See :meth:`mindlytics.server.store.Store.compact`.

        :raises StoreError: the store is closed.
        """
        with self._closing:
            if self._closed:
                raise StoreError(f"{self._database.name} is closed")
            compaction = _Compaction(whole, Future())
            self._jobs.put(compaction)
        return compaction.done

    def close(self) -> None:
        """Finish the waiting jobs, then close the connection. Closing twice is harmless."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    # -- on the thread

    def _run(self) -> None:
        while (jobs := self._next()) is not None:
            if jobs:
                self._commit(jobs)
            for compaction in self._compactions:
                self._compact(compaction)
            self._compactions.clear()
            self._shorten_log()
        self._connection.close()

    def _next(self) -> list[_Job[Any]] | None:
        """Wait for jobs and return them. Returns none while reads are held back, and None at the end."""
        try:
            job = self._jobs.get(timeout=None if self._held_at is None else LOOK_SECONDS)
        except queue.Empty:
            return []
        if job is None:
            return None
        jobs: list[_Job[Any]] = []
        self._take(job, jobs)
        while len(jobs) < MAX_JOBS_PER_COMMIT and not self._compactions and not self._jobs.empty():
            if (waiting := self._jobs.get()) is None:
                self._jobs.put(None)
                break
            self._take(waiting, jobs)
        return [job for job in jobs if job.done.set_running_or_notify_cancel()]

    def _take(self, job: _Job[Any] | _Compaction, jobs: list[_Job[Any]]) -> None:
        if isinstance(job, _Compaction):
            self._compactions.append(job)
        else:
            jobs.append(job)

    def _compact(self, compaction: _Compaction) -> None:
        """Compact the database. Nobody reads while the whole of it is written anew."""
        if not compaction.done.set_running_or_notify_cancel():
            return
        until = time.monotonic() + HOLD_SECONDS
        while compaction.whole and not self._reads.hold() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        try:
            self._database.check()
            done = self._database.compact(self._connection, whole=compaction.whole)
        except Exception as error:
            compaction.done.set_exception(self._database.unavailable(error) or error)
        else:
            compaction.done.set_result(done)
        finally:
            if compaction.whole:
                self._reads.go_on()

    def _commit(self, jobs: list[_Job[Any]]) -> None:
        connection, records = self._connection, self._records
        try:
            self._database.check()
            self._begin()
            if time.monotonic() >= self._prune_at:
                forget_old_keys(connection)
                drop_old(connection)
                self._prune_at = time.monotonic() + PRUNE_SECONDS
            outcomes = [self._attempt(job) for job in jobs]
            records.end()
            connection.commit()
        except Exception as error:
            self._undo()
            self._failed(self._database.unavailable(error) or error, jobs)
            return
        if self.problem is not None and any(problem is None for _, problem in outcomes):
            logger.warning("%s can be written again", self._database.name)
            self.problem = None
        self._publish()
        for job, (result, problem) in zip(jobs, outcomes, strict=True):
            if problem is not None:
                job.done.set_exception(problem)
            else:
                job.done.set_result(result)

    def _begin(self) -> None:
        """Begin a transaction, over a new connection if the last one was lost meanwhile."""
        try:
            self._connection.begin()
            self._records.begin()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            self._undo()
            self._connection.begin()
            self._records.begin()

    def _undo(self) -> None:
        """Undo the transaction. A connection that does not even take that is replaced."""
        self._records.undo(0)
        try:
            self._connection.rollback()
        except SQLAlchemyError:
            self._connection.invalidate()
            self._connection.rollback()

    def _publish(self) -> None:
        """Publish the events of the commit. They are stored, whatever happens to that."""
        try:
            self.on_commit(self._records.written)
        except Exception:
            logger.exception("stored events were not published")
        self._records.written.clear()

    def _failed(self, error: Exception, jobs: list[_Job[Any]]) -> None:
        if self.problem is None:
            logger.error("%s cannot be written: %s", self._database.name, error)
        self.problem = str(error)
        for job in jobs:
            job.done.set_exception(error)

    def _attempt(self, job: _Job[Any]) -> tuple[object, Exception | None]:
        """Run one job behind a savepoint. Returns its result, or its error after undoing its writes.

        :raises sqlalchemy.exc.OperationalError: the database undid the whole transaction.
        """
        connection, records = self._connection, self._records
        connection.exec_driver_sql("SAVEPOINT job")
        before = len(records.written)
        try:
            result = job.work(records)
            records.end_request()
        except Exception as error:
            if self._database.unavailable(error):
                raise
            records.undo(before)
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
            return None, self._database.refused_text(error) or error
        connection.exec_driver_sql("RELEASE SAVEPOINT job")
        return result, None

    def _shorten_log(self) -> None:
        """Hold reads back while the log is too long, and empty it once the running ones have ended."""
        if self._log is None:
            return
        at = time.monotonic()
        if self._held_at is None:
            if at < self._hold_again_at or not self._log.is_long():
                return
            self._held_at = at
        emptied = self._reads.hold() and self._log.empty()
        if emptied or at - self._held_at > HOLD_SECONDS:
            self._held_at = None
            self._hold_again_at = 0.0 if emptied else at + HOLD_SECONDS
            self._reads.go_on()


def _to_nobody(_: Sequence[StoredEvent]) -> None:
    """Do nothing."""
