"""Servers that share a PostgreSQL database notify each other of what they publish live, by its LISTEN and NOTIFY.

A notice names its sender and the numbers of the events, in the order in which that server publishes them. The others
read these events and hand them to those who listen there.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from os import urandom
from typing import Any

import psycopg
from aiohttp import web
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from .database import Publish, Sharing
from .schema import events as event_rows
from .stored import STORED_EVENTS, StoredEvent

CHANNEL = "mindlytics"
MAX_RANGES = 250
"""Of numbers in one notice, which may have 8,000 bytes."""

AT_ONCE = 500
"""Events that are read and published at once."""

LOOK_SECONDS = 0.5
"""Time between two checks whether the server stops."""

RETRY_SECONDS = 5.0

logger = logging.getLogger("mindlytics.server")


class Notices(Sharing):
    """The notices that one server sends and receives.

    :param connect: makes a connection, each of whose statements is a transaction.
    :param publish: hands events to those who listen to this server.
    :param is_heard: whether anybody does.
    """

    def __init__(self, connect: Callable[[], Connection], publish: Publish, is_heard: Callable[[], bool]) -> None:
        self._connect = connect
        self._publish_here = publish
        self._is_heard = is_heard
        self._sender = urandom(8).hex()
        self._sending: Connection | None = None
        self._reading: Connection | None = None
        self._stopping = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mindlytics-notices", daemon=True)

    async def start(self, _: web.Application) -> None:
        """Begin to listen. What is stored after this is heard, if the database can be reached."""
        self._thread.start()
        await asyncio.get_running_loop().run_in_executor(None, self._listening.wait, RETRY_SECONDS)

    async def stop(self, _: web.Application) -> None:
        """Listen no more."""
        self._stopping.set()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        for connection in (self._sending, self._reading):
            if connection is not None:
                connection.close()

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Publish events here, and notify the other servers. Runs on the writer's thread."""
        self._publish_here(events)
        try:
            for payload in payloads(self._sender, [event.seq for event in events]):
                self._notify(payload)
        except SQLAlchemyError as error:
            logger.warning("live events do not reach other servers: %s", getattr(error, "orig", error))

    def _notify(self, payload: str) -> None:
        """Send a notice, through a new connection if the last one was lost in the meantime."""
        try:
            self._send(payload)
        except SQLAlchemyError:
            _close(self._sending)
            self._sending = None
            self._send(payload)

    def _send(self, payload: str) -> None:
        if self._sending is None:
            self._sending = self._connect()
        self._sending.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, payload))

    # -- on its own thread

    def _run(self) -> None:
        connection, is_down = None, False
        while not self._stopping.is_set():
            try:
                if connection is None or connection.invalidated or connection.closed:
                    connection = self._connect()
                    connection.exec_driver_sql(f"LISTEN {CHANNEL}")
                    self._listening.set()
                    is_down = False
                self._receive(connection)
            except (SQLAlchemyError, psycopg.Error) as error:
                if not is_down:
                    reason = getattr(error, "orig", error)
                    logger.warning("live events of other servers unavailable; retrying: %s", reason)
                    is_down = True
                _close(connection)
                _close(self._reading)
                connection = self._reading = None
                self._listening.set()
                self._stopping.wait(RETRY_SECONDS)
        if connection is not None:
            connection.close()

    def _receive(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        for notice in list(driver.notifies(timeout=LOOK_SECONDS, stop_after=1)):
            sender, _, numbers = notice.payload.partition(" ")
            if sender != self._sender and self._is_heard():
                for first, last in ranges(numbers):
                    self._pass_on(first, last)

    def _pass_on(self, first: int, last: int) -> None:
        """Publish events of another server here. They are read through a connection that receives no notices."""
        if self._reading is None:
            self._reading = self._connect()
        query = STORED_EVENTS.where(event_rows.c.seq.between(first, last)).order_by(event_rows.c.seq)
        for some in self._reading.execute(query).partitions(AT_ONCE):
            self._publish_here([StoredEvent(*row) for row in some])


def _close(connection: Connection | None) -> None:
    """Close a connection that has failed."""
    if connection is not None:
        connection.invalidate()
        connection.close()


def payloads(sender: str, numbers: Sequence[int]) -> Iterator[str]:
    """Notices of these numbers, in their order, as ranges."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    for place in range(0, len(found), MAX_RANGES):
        yield f"{sender} " + ",".join(f"{first:x}-{last:x}" for first, last in found[place : place + MAX_RANGES])


def ranges(numbers: str) -> Iterator[tuple[int, int]]:
    """The ranges of a notice."""
    for part in numbers.split(","):
        first, _, last = part.partition("-")
        yield int(first, 16), int(last, 16)
