"""Reads: a few connections that cannot write, each on a thread of its own.

A read has a limit of time, and an answer a limit of rows and bytes. SQLite calls back every few thousand steps, which
gives up a read that is late, or that the end of the server meets. Look-ups of keys have a connection of their own:
requests are let in while all readers are busy.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .query import InvalidQuery
from .schema import open_for_reading
from .unavailable import OpenFile, Stopping, Unavailable, unavailable

T = TypeVar("T")

READERS = 4
READ_SECONDS = 2.0
"""The limit of a read, where no other is given."""

STEPS = 10_000
"""SQLite looks at the clock once in so many steps, about every millisecond."""

MAX_ROWS = 20_000
"""Rows of one answer at most, related rows included."""

MAX_BYTES = 64 * 1024 * 1024
"""Characters of the texts in these rows at most."""


class Reading(sqlite3.Connection):
    """A connection for reads. ``until`` is the moment at which the present one is late, on the monotonic clock."""

    until = math.inf
    stopping: threading.Event | None = None

    def over(self) -> bool:
        """Whether the present read is to be given up."""
        return time.monotonic() > self.until or (self.stopping is not None and self.stopping.is_set())

    def check(self) -> None:
        """Give up a read that spends its time outside of SQLite.

        :raises Unavailable: it is late, or the server stops.
        """
        if self.over():
            raise self.given_up()

    def given_up(self) -> Unavailable:
        """Why the present read is over."""
        if self.stopping is not None and self.stopping.is_set():
            return Stopping()
        return Unavailable("the read took too long: ask for less, or start the server with a longer --read-timeout")


class Budget:
    """What one answer may come to.

    :param connection: of the read whose limit of time counts as well.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection if isinstance(connection, Reading) else None
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
        """Pass rows on that are not told as they are, as long as there is time.

        :raises Unavailable: the read is late.
        """
        for row in rows:
            if self._connection is not None:
                self._connection.check()
            yield row


class Reads:
    """The readers of one file.

    :param seconds: the limit of a read, and of the wait for a reader; 0: none.
    """

    def __init__(self, path: Path, file: OpenFile, seconds: float) -> None:
        self._path = path
        self._file = file
        self._seconds = seconds or math.inf
        self._stopping = threading.Event()
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, "mindlytics-reader")
        self._keys = ThreadPoolExecutor(1, "mindlytics-keys")
        self._gate = threading.Condition()
        self._held = False
        self._running = 0

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query over a connection that sees what is committed and cannot write.

        :raises Unavailable: it took too long, waited too long, or the file is not there.
        """
        return await self._submit(self._pool, self._read, query, time.monotonic())

    async def look_up(self, sql: str, parameters: Sequence[object]) -> Any:
        """The first row of a query that is answered from an index, apart from all reads; None where there is none.

        :raises Unavailable: the file is not there.
        """
        return await self._submit(self._keys, self._look_up, sql, parameters)

    async def _submit(self, pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> T:
        if self._stopping.is_set():
            raise Stopping()
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    def _look_up(self, sql: str, parameters: Sequence[object]) -> Any:
        return self._connection().execute(sql, parameters).fetchone()

    def _read(self, query: Callable[[sqlite3.Connection], T], asked: float) -> T:
        connection = self._connection()
        with self._turn():
            began = time.monotonic()
            connection.until = began + self._seconds
            if connection.stopping is not None and connection.stopping.is_set():
                raise Stopping()
            if began - asked > self._seconds:
                raise Unavailable("other reads take all readers")
            self._file.check()
            connection.execute("BEGIN")
            try:
                return query(connection)
            except sqlite3.OperationalError as error:
                if "interrupted" in str(error):
                    raise connection.given_up() from None
                raise unavailable(error) or error from None
            finally:
                connection.rollback()

    def _connection(self) -> Reading:
        connection: Reading | None = getattr(self._own, "connection", None)
        if connection is None:
            self._file.check()
            connection = self._own.connection = open_for_reading(self._path, Reading)
            connection.stopping = self._stopping
            connection.set_progress_handler(connection.over, STEPS)
            self._connections.append(connection)
        return connection

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

    def hold(self) -> bool:
        """Let no read begin; whether none runs. SQLite empties its log of writes only while nobody reads."""
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
        for connection in self._connections:
            connection.interrupt()

    def close(self) -> None:
        """Stop, and close the connections."""
        self.stop()
        for pool in (self._pool, self._keys):
            pool.shutdown()
        for connection in self._connections:
            connection.close()
