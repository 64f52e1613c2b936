"""Reads: a few connections that cannot write, each on a thread of its own.

A read has a limit of time, and an answer a limit of rows and bytes. The database gives up a read that is late, or that
the end of the server meets. Look-ups of keys have a connection of their own: requests are let in while all readers are
busy.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select
from sqlalchemy.exc import DBAPIError

from .database import Database
from .query import InvalidQuery
from .unavailable import Stopping, Unavailable

T = TypeVar("T")

READERS = 4
READ_SECONDS = 2.0
"""The default limit of a read."""

READING = "mindlytics.reading"

LOOK_SECONDS = 0.1
"""Time between two checks whether reads have ended, when the server stops."""

MAX_ROWS = 20_000
"""Rows of one answer at most, related rows included."""

MAX_BYTES = 64 * 1024 * 1024
"""Characters of the texts in these rows at most."""


class Reading:
    """A read: when it is late, on the monotonic clock, and whether the server stops."""

    def __init__(self, stopping: threading.Event, until: float) -> None:
        self._stopping = stopping
        self._until = until

    def over(self) -> bool:
        """Whether to cancel the read."""
        return time.monotonic() > self._until or self._stopping.is_set()

    def check(self) -> None:
        """Give up a read that spends its time outside of the database.

        :raises Unavailable: it is late, or the server stops.
        """
        if self.over():
            raise self.given_up()

    def given_up(self) -> Unavailable:
        """Why the present read is over."""
        if self._stopping.is_set():
            return Stopping()
        return Unavailable("the read took too long: ask for less, or start the server with a longer --read-timeout")


def reading_of(connection: Connection) -> Reading | None:
    """The read that a connection is used for; None: it is the writer's."""
    reading: Reading | None = connection.info.get(READING)
    return reading


class Budget:
    """What one answer may come to.

    :param connection: of the read whose limit of time counts as well.
    """

    def __init__(self, connection: Connection) -> None:
        self._reading = reading_of(connection)
        self._rows = MAX_ROWS
        self._bytes = MAX_BYTES

    def spend(self, rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
        """Pass rows on, and count them.

        :raises InvalidQuery: there are too many.
        :raises Unavailable: the read is late.
        """
        for row in self.timed(rows):
            self._rows -= 1
            self._bytes -= sum(len(value) for value in row if isinstance(value, str))
            if self._rows < 0 or self._bytes < 0:
                most = f"{MAX_ROWS} rows or {MAX_BYTES // 2**20} MiB"
                raise InvalidQuery("limit", f"must be lower: the answer would have more than {most}")
            yield row

    def timed(self, rows: Iterable[T]) -> Iterator[T]:
        """Pass rows on without counting them, as long as there is time.

        :raises Unavailable: the read is late.
        """
        for row in rows:
            if self._reading is not None:
                self._reading.check()
            yield row


class Reads:
    """The readers of one database.

    :param seconds: the limit of a read, and of the wait for a reader; 0: none.
    """

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds or math.inf
        self._stopping = threading.Event()
        self._own = threading.local()
        self._connections: list[Connection] = []
        self._pool = ThreadPoolExecutor(READERS, "mindlytics-reader")
        self._keys = ThreadPoolExecutor(1, "mindlytics-keys")
        self._gate = threading.Condition()
        self._held = False
        self._running = 0

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query over a connection that sees what is committed and cannot write.

        :raises Unavailable: it took too long, waited too long, or the database is not there.
        """
        return await self._submit(self._pool, self._read, query, time.monotonic())

    async def look_up(self, query: Select[Any]) -> Row[Any] | None:
        """The first row of a query that is answered from an index, apart from all reads; None where there is none.

        :raises Unavailable: the database is not there.
        """
        return await self._submit(self._keys, self._look_up, query)

    async def _submit(self, pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> T:
        if self._stopping.is_set():
            raise Stopping()
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    def _look_up(self, query: Select[Any]) -> Row[Any] | None:
        return self._run(lambda connection: connection.execute(query).first(), math.inf)

    def _read(self, query: Callable[[Connection], T], asked: float) -> T:
        with self._turn():
            if time.monotonic() - asked > self._seconds:
                raise Unavailable("other reads take all readers")
            return self._run(query, self._seconds)

    def _run(self, query: Callable[[Connection], T], seconds: float) -> T:
        """Run a query within a transaction that ends after so many seconds."""
        if self._stopping.is_set():
            raise Stopping()
        self._database.check()
        reading = Reading(self._stopping, time.monotonic() + seconds)
        self._own.reading = reading
        try:
            try:
                return self._once(query, reading, seconds)
            except DBAPIError as error:
                if reading.over() or not error.connection_invalidated:
                    raise
                return self._once(query, reading, seconds)  # it was lost since the last read, and is made anew
        except DBAPIError as error:
            if self._database.was_interrupted(error):
                raise reading.given_up() from None
            if refused := self._database.refused_text(error):
                raise InvalidQuery("filter", str(refused)) from None
            raise self._database.unavailable(error) or error from None

    def _once(self, query: Callable[[Connection], T], reading: Reading, seconds: float) -> T:
        connection = self._connection()
        with connection.begin():
            connection.info[READING] = reading
            self._database.limit(connection, seconds)
            return query(connection)

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._database.reading(self._is_over)
            self._connections.append(connection)
        return connection

    def _is_over(self) -> bool:
        """Whether to cancel the read of this thread."""
        reading: Reading = self._own.reading
        return reading.over()

    # -- the log of the file

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait while reads are held back, and be counted."""
        with self._gate:
            self._gate.wait_for(lambda: not self._held or self._stopping.is_set())
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1
                self._gate.notify_all()

    def hold(self) -> bool:
        """Hold new reads back. Returns whether none runs: SQLite empties its log of writes only without readers."""
        with self._gate:
            self._held = True
            return not self._running

    def go_on(self) -> None:
        """Let reads begin again."""
        with self._gate:
            self._held = False
            self._gate.notify_all()

    # -- the end

    def stop(self) -> None:
        """Give up what is being read, and read no more."""
        self._stopping.set()
        self.go_on()
        self._interrupt()

    def _interrupt(self) -> None:
        for connection in self._connections:
            self._database.interrupt(connection)

    def close(self) -> None:
        """Stop, and close the connections."""
        self.stop()
        with self._gate:
            while not self._gate.wait_for(lambda: not self._running, LOOK_SECONDS):
                self._interrupt()  # it had not begun yet
        for pool in (self._pool, self._keys):
            pool.shutdown()
        for connection in self._connections:
            connection.close()
        self._database.dispose()
