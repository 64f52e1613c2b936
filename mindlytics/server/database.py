"""What the store asks of a database: to be opened, created or migrated, written by one connection, read by others.

A path is a SQLite file (``sqlite.py``), and a URL a PostgreSQL database (``postgres.py``). SQL that depends on the
database is in ``dialects.py``, and that of the search in files of the same names in ``search/``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from os import urandom
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import Connection, insert, select

from ..errors import InvalidEvent
from .keyhash import new_salt
from .schema import REVISION, StoreError, alembic_version, metadata, store
from .search.fulltext import full_text
from .unavailable import Unavailable

if TYPE_CHECKING:
    from aiohttp import web

    from .stored import StoredEvent

Publish = Callable[["Sequence[StoredEvent]"], None]

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_SCHEME = re.compile("([a-z][a-z0-9+.-]*)://|(postgres(?:ql)?):", re.IGNORECASE)

IDS_BYTES = 8
"""Ids of events begin with so many random bytes, which are the database's own."""


class RefusedText(InvalidEvent):
    """The database cannot keep a text. It does not say which one."""

    def __init__(self, rule: str) -> None:
        super().__init__("a text", rule, None)
        self.args = (f"a text must be {rule}",)


class Log(ABC):
    """A log of writes that readers keep from being emptied."""

    @abstractmethod
    def is_long(self) -> bool:
        """Whether it is to be emptied."""

    @abstractmethod
    def empty(self) -> bool:
        """Empty it, unless somebody reads. Returns whether it is empty."""


class Database(ABC):
    """A database that the store may use.

    ``name`` names it in messages, without a password. Several servers may use it at once if ``is_shared``.
    """

    name: str
    is_shared: ClassVar[bool] = False

    @abstractmethod
    def open(self) -> Connection:
        """A connection for writing, to a database with the present tables: they are made or migrated.

        :raises StoreError: it is none of ours, or cannot be written.
        """

    def check_present(self) -> None:  # noqa: B027  where opening it does not make it
        """Check that the database is there.

        :raises StoreError: it is not.
        """

    def revision(self, connection: Connection) -> str | None:
        """The version of the tables that are there."""
        return revision_of(connection)

    @abstractmethod
    def compact(self, connection: Connection, *, whole: bool) -> bool:
        """Give back the space of what was deleted, outside of a transaction. Returns whether it was all of it.

        :param whole: write the database anew, so that no byte of it is left. Otherwise it is a part of the space.
        :raises Unavailable: somebody reads, or there is no room.
        """

    @abstractmethod
    def reading(self, over: Callable[[], bool]) -> Connection:
        """A connection that cannot write.

        :param over: asked now and then whether to give up what is being read.
        """

    @abstractmethod
    def limit(self, connection: Connection, seconds: float) -> None:
        """End the transaction that has begun after this time, if it only reads. Infinite: never."""

    @abstractmethod
    def interrupt(self, connection: Connection) -> None:
        """Give up what a connection reads, from another thread."""

    @abstractmethod
    def unavailable(self, error: BaseException) -> Unavailable | None:
        """What an error of the database means for a request, if it is no mistake of ours."""

    @abstractmethod
    def was_interrupted(self, error: BaseException) -> bool:
        """Whether an error says that a read was cancelled."""

    def refused_text(self, error: BaseException) -> RefusedText | None:
        """What an error means for a request, if the database cannot keep a text of it."""
        return None

    def check(self) -> None:  # noqa: B027  few have to look
        """See whether the database is still the one that was opened.

        :raises Unavailable: it is not.
        """

    def check_room(self) -> None:  # noqa: B027
        """See whether there is room for more.

        :raises Unavailable: there is none.
        """

    def log(self, connection: Connection) -> Log | None:
        """The log of writes that the writer has to keep short, if there is one."""
        return None

    def sharing(self, publish: Publish, is_heard: Callable[[], bool]) -> Sharing | None:
        """What publishes live events by the other servers on this database, too. None if they do not share them.

        :param publish: hands events to those who listen to this server.
        :param is_heard: whether anybody does.
        """
        return None

    def dispose(self) -> None:  # noqa: B027
        """Forget all connections that are closed."""


class Sharing(ABC):
    """Servers that share a database: what one of them publishes live, all do."""

    @abstractmethod
    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Publish events here and by the other servers. Runs on the writer's thread."""

    @abstractmethod
    async def start(self, app: web.Application) -> None:
        """Begin to publish what other servers publish."""

    @abstractmethod
    async def stop(self, app: web.Application) -> None:
        """End that."""


def database_at(place: str | Path) -> Database:
    """The database at this path or URL. Nothing is opened yet.

    :raises StoreError: the place names no database.
    """
    if found := _SCHEME.match(str(place)):
        scheme = found[1] or found[2]
        if scheme.lower() not in SCHEMES:
            raise StoreError(f"a database is the path of a file or postgresql://…, and not {scheme}://…")
        try:
            from .postgres import PostgreSQL  # noqa: PLC0415  needs psycopg
        except ImportError:
            raise StoreError("psycopg is not installed: pip install 'mindlytics[postgres]'") from None
        return PostgreSQL(str(place))
    from .sqlite import SQLiteFile  # noqa: PLC0415  it is a Database itself

    return SQLiteFile(place)


def create(connection: Connection) -> None:
    """Make the present tables in a database that has none, within the transaction that is open."""
    metadata.create_all(connection, checkfirst=False)
    full_text(connection).create()
    connection.execute(insert(store).values(salt=new_salt(), ids=urandom(IDS_BYTES).hex(), version=0, last=0))
    connection.execute(insert(alembic_version).values(version_num=REVISION))


def revision_of(connection: Connection) -> str | None:
    """The version of the tables as Alembic notes it."""
    return connection.execute(select(alembic_version.c.version_num)).scalar()


def migrate(connection: Connection, revision: str, name: str) -> None:
    """Take tables from their version to the present one, within the transaction that is open.

    :raises StoreError: there is no way from that version.
    """
    from .migrations import upgrade  # noqa: PLC0415  Alembic takes a while to import

    if not upgrade(connection, revision):
        raise StoreError(f"{name} was written by another version of mindlytics (format {revision.lstrip('0')})")
