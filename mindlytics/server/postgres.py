"""A PostgreSQL database as the store's: how it is opened and created, and what may go wrong.

Several servers may use one database. Each takes the one row of ``store`` first, so they write one after the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, String, Table, TableClause, Text, create_engine, event, inspect, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from .database import Database, Publish, RefusedText, Sharing, create, migrate, revision_of
from .schema import REVISION, StoreError, alembic_version, metadata, store
from .search.postgres import WORDS
from .unavailable import Unavailable

CONNECT_SECONDS = 10
"""A connection is lost once nothing was acknowledged for this time: the other machine or the network is gone."""

STATEMENT_SECONDS = 30
"""The database gives a write up after this time, so that requests are answered if another program holds a lock. If it
does not even say that within ``CONNECT_SECONDS``, it stands still, and the connection is closed.
"""

LOOK_SECONDS = 0.05
"""Time between two looks at what others read."""

CREATION = 0x4D4C5953
"""The number of the lock that keeps two servers from creating the tables at once."""

ENCODING = "UTF8"

T = TypeVar("T")

_FORM = "the URL of the database must be of the form postgresql://user@host:port/database"
_CAUSES = {
    (psycopg.errors.DiskFull,): "the disk is full",
    (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted): "the database is damaged",
    (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable): "another program holds the database",
}
_REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
_READERS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND age(backend_xmin) >="
)


class Driver(psycopg.Connection[Any]):
    """A connection that is lost if the database says nothing for a time, since its machine or disk stands still."""

    patience: float = STATEMENT_SECONDS + CONNECT_SECONDS
    """Seconds that one statement waits."""

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        """Wait for a statement, as psycopg does with all that it sends."""
        return super().wait(self._within(gen), *arguments, **options)

    def _within(self, statement: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        until = time.monotonic() + self.patience
        try:
            awaited = next(statement)
            while True:
                ready = yield awaited
                if not ready and time.monotonic() > until:
                    self.close()
                    raise psycopg.OperationalError("the database does not answer")
                awaited = statement.send(ready)
        except StopIteration as end:
            value: T = end.value
            return value


class PostgreSQL(Database):
    """One database.

    :param url: ``postgresql://user:password@host:port/database``, or what else psycopg takes.
    :raises StoreError: it is no URL.
    """

    is_shared = True

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError):
            raise StoreError(_FORM) from None
        if "@" in (self._url.host or ""):
            raise StoreError(f"{_FORM}, with %40 for each @ in the password")
        port = "" if self._url.port is None else f":{self._url.port}"
        self.name = f"{self._url.host or 'localhost'}{port}/{self._url.database or ''}"
        options = {
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": CONNECT_SECONDS * 1000,
            "keepalives_idle": CONNECT_SECONDS,
            "keepalives_interval": 1,
            "application_name": "mindlytics",
            "client_encoding": ENCODING,
            "options": f"{self._url.query.get('options', '')} -c statement_timeout={STATEMENT_SECONDS * 1000}",
        }
        engine = partial(create_engine, self._url, poolclass=NullPool, paramstyle="format", hide_parameters=True)
        self._engine = _patient(engine(connect_args=options))
        # A prepared read would be planned without its words, and common words need another plan than rare ones.
        reader = _patient(engine(connect_args={**options, "prepare_threshold": None}))
        self._reader = reader.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def open(self) -> Connection:
        try:
            connection = self._engine.connect()
        except (SQLAlchemyError, psycopg.Error) as error:
            raise self._store_error(error) from None
        try:
            with connection.begin():
                self._prepare(connection)
        except DBAPIError as error:
            connection.close()
            raise self._store_error(error) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != ENCODING:
            raise StoreError(f"{self.name} must have the encoding {ENCODING}, and has {encoding}")
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": CREATION})
        tables = set(inspect(connection).get_table_names())
        if {alembic_version.name, store.name} <= tables:
            revision = revision_of(connection)
            if revision != REVISION:
                _limit(connection, math.inf)
                migrate(connection, revision or "", self.name)
                _limit(connection, STATEMENT_SECONDS)
        elif tables & set(metadata.tables):
            raise StoreError(f"{self.name} is a database of another program")
        else:
            create(connection)
        connection.execute(select(store.c.version).with_for_update())  # fails here and now if nothing can be written

    def compact(self, connection: Connection, *, whole: bool) -> bool:
        if not whole:
            return True  # PostgreSQL does so by itself
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:
            _limit(own, math.inf)
            self._wait_for_readers(own)
            tables: list[TableClause] = [*metadata.tables.values(), *WORDS]
            for table in tables:
                self._drop_statistics(own, table)
            own.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {', '.join(table.name for table in tables)}")
            own.exec_driver_sql("VACUUM FULL pg_statistic")
        return True

    def _wait_for_readers(self, connection: Connection) -> None:
        """Wait for those who may still see what was deleted. VACUUM would keep it for them."""
        now = connection.exec_driver_sql("SELECT txid_current() & 4294967295").scalar_one()
        until = time.monotonic() + STATEMENT_SECONDS
        while connection.exec_driver_sql(f"{_READERS} age('{now}'::xid)").scalar_one():
            if time.monotonic() > until:
                raise Unavailable("the tables hold what was deleted, since another program reads the database")
            time.sleep(LOOK_SECONDS)

    def _drop_statistics(self, connection: Connection, table: TableClause) -> None:
        """Drop samples of texts, which ANALYZE leaves alone if a table is empty. The same type rewrites nothing."""
        texts = [column for column in table.c if isinstance(column.type, (String, TSVECTOR))]
        changes = [f"ALTER {column.name} TYPE {column.type.compile(connection.dialect)}" for column in texts]
        if changes:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} {', '.join(changes)}")

    def reading(self, over: Callable[[], bool]) -> Connection:
        return self._reader.connect()

    def limit(self, connection: Connection, seconds: float) -> None:
        _limit(connection, seconds)

    def interrupt(self, connection: Connection) -> None:
        if not connection.closed and not connection.invalidated:
            with suppress(psycopg.Error):  # a database that stands still is left to the connection's patience
                _driver(connection).cancel_safe(timeout=CONNECT_SECONDS)

    def unavailable(self, error: BaseException) -> Unavailable | None:
        original = getattr(error, "orig", error)
        if not isinstance(original, psycopg.Error):
            return None
        for kinds, cause in _CAUSES.items():
            if isinstance(original, kinds):
                return Unavailable(cause)
        if isinstance(original, _REFUSED):
            return Unavailable(f"the database does not allow it: {original.diag.message_primary}")
        if isinstance(original, (psycopg.OperationalError, psycopg.InterfaceError)) and not self.refused_text(error):
            return Unavailable("the database cannot be reached")
        return None

    def was_interrupted(self, error: BaseException) -> bool:
        return isinstance(getattr(error, "orig", error), psycopg.errors.QueryCanceled)

    def refused_text(self, error: BaseException) -> RefusedText | None:
        original = getattr(error, "orig", error)
        if isinstance(original, psycopg.errors.ProgramLimitExceeded):
            return RefusedText("shorter, since the database cannot index it")
        if isinstance(original, psycopg.DataError):
            return RefusedText("without the character U+0000, which the database cannot keep")
        return None

    def sharing(self, publish: Publish, is_heard: Callable[[], bool]) -> Sharing:
        from .notices import Notices  # noqa: PLC0415  it reads events, whose types need more than a database

        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        return Notices(engine.connect, publish, is_heard)

    def dispose(self) -> None:
        self._engine.dispose()

    def _store_error(self, error: BaseException) -> StoreError:
        """The first line of what the database says, which holds no password."""
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        return StoreError(f"{self.name} cannot be opened: {reason}")


def copy_into(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Add rows to a table by COPY, which takes half the time of INSERT.

    :param names: the columns, which hold texts or numbers of 64 bits.
    :raises psycopg.Error: as INSERT would.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table.name), columns)
    with _driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["text" if isinstance(table.c[name].type, Text) else "int8" for name in names])
        for row in rows:
            copy.write_row(row)


def _patient(engine: Engine) -> Engine:
    """Let an engine make connections that are lost if the database stands still."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: object, record: object, arguments: Sequence[Any], options: Mapping[str, Any]) -> Driver:
        return Driver.connect(*arguments, **options)

    return engine


def _driver(connection: Connection) -> Driver:
    driver = connection.connection.driver_connection
    assert isinstance(driver, Driver)
    return driver


def _limit(connection: Connection, seconds: float) -> None:
    """Limit each statement of a connection to this time. Infinite: no limit."""
    _driver(connection).patience = seconds + CONNECT_SECONDS
    milliseconds = 0 if math.isinf(seconds) else max(1, math.ceil(seconds * 1000))
    connection.exec_driver_sql(f"SET statement_timeout = {milliseconds}")
