"""Fills the index of words, in the background, shortly after events are stored.

Ingest never waits for more than one part. The row of ``store`` says how far the index is, and ``unindexed`` has the
users that changed. Both change in the transaction that changes the index, so a server that is killed leaves nothing
out. The next one goes on, and it fills the index of a database that was written before there was one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web
from sqlalchemy import Connection, delete, func, select, update

from ..database import Publish
from ..reader import reader
from ..records import Records
from ..schema import StoreError, events, store, unindexed
from ..store import Store
from ..stored import StoredEvent
from ..unavailable import Unavailable
from .fulltext import full_text

PART = 500
"""Numbers of events, and users, that one transaction adds."""

LINGER_SECONDS = 0.05
"""Time for more events to come before they are indexed together."""

REST = 9
"""While events come in, the thread rests for this multiple of the time that it used, to let them go first."""

RETRY_SECONDS = 5.0
"""Time between two attempts while nothing can be stored."""

LOOK_SECONDS = 0.005
"""Time between two checks of a search that waits for the index."""

logger = logging.getLogger("mindlytics.server")

_USERS = select(unindexed.c.seq).order_by(unindexed.c.seq).limit(PART)
_LAST = select(func.coalesce(func.max(events.c.seq), 0))


def index_part(records: Records) -> bool:
    """Add some events and users to the index. Returns whether there were any."""
    connection = records.connection
    words = full_text(connection)
    done = connection.execute(select(store.c.indexed)).scalar_one()
    last = min(done + PART, connection.execute(_LAST).scalar_one())
    if last > done:
        words.add_events(done, last)
        connection.execute(update(store).values(indexed=last))
    users = list(connection.execute(_USERS).scalars())
    if users:
        words.put_users(users)
        connection.execute(delete(unindexed).where(unindexed.c.seq.in_(users)))
    return last > done or bool(users)


def is_complete(connection: Connection) -> bool:
    """Whether all that is stored is in the index."""
    done = connection.execute(select(store.c.indexed)).scalar_one()
    return done >= connection.execute(_LAST).scalar_one() and connection.execute(_USERS).first() is None


def index_all(store: Store) -> None:
    """Fill the index of a store that no server runs on.

    :raises Unavailable: the database cannot be written at present.
    """
    while store.submit(index_part).result():
        pass


def complete(place: str) -> None:
    """Fill the index of a database that no server may run on. One that cannot be written stays as it is.

    :raises StoreError: there is no database, or it is another program's or version's.
    """
    with reader(place) as connection, connection.begin():
        if is_complete(connection):
            return
    with suppress(StoreError, Unavailable):
        opened = Store(place)
        try:
            index_all(opened)
        finally:
            opened.close()


class Indexing:
    """The thread that fills the index of a store.

    :param publish: called with the events of each commit, which go through :meth:`committed`.
    """

    def __init__(self, store: Store, publish: Publish) -> None:
        self._store = store
        self._publish = publish
        self._busy = False
        self._hurried = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mindlytics-indexing", daemon=True)

    async def start(self, _: web.Application) -> None:
        """Start, with what an earlier run left."""
        self._wake.set()
        self._thread.start()

    async def stop(self, _: web.Application) -> None:
        """End after the part that is being added."""
        self._stopping.set()
        self._wake.set()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    async def complete(self, seconds: float) -> bool:
        """Wait until the index is complete, for so long. Returns whether it is."""
        until = time.monotonic() + seconds
        while not await self._store.read(is_complete):
            if time.monotonic() > until or self._stopping.is_set():
                return False
            self._hurried = True
            self._wake.set()
            await asyncio.sleep(LOOK_SECONDS)
        return True

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """Take the events of a commit. Runs on the writer's thread."""
        self._publish(events)
        if events:
            self._busy = True
            self._wake.set()

    # -- on its own thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            if not self._hurried:
                self._stopping.wait(LINGER_SECONDS)
            self._wake.clear()
            self._hurried = False
            try:
                while not self._stopping.is_set() and self._add():
                    pass
            except StoreError:  # the store is closed
                break
            except Unavailable:  # the writer has logged it
                self._stopping.wait(RETRY_SECONDS)
                self._wake.set()
            except Exception as error:
                logger.warning("the search index cannot be filled, trying again: %s", getattr(error, "orig", error))
                self._stopping.wait(RETRY_SECONDS)
                self._wake.set()

    def _add(self) -> bool:
        """Add a part, and rest while events come in. Returns whether there was any."""
        began = time.monotonic()
        if not self._store.submit(self._part).result():
            return False
        busy, self._busy = self._busy, False
        if busy and not self._hurried:
            self._stopping.wait(REST * min(time.monotonic() - began, LINGER_SECONDS))
        return True

    def _part(self, records: Records) -> bool:
        """Add a part. What is stored next shows whether there is room again, which a small part would not.

        :raises Unavailable: the last commit failed.
        """
        if self._store.problem is not None:
            raise Unavailable(self._store.problem)
        return index_part(records)


INDEXING = web.AppKey("indexing", Indexing)
