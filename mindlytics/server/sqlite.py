"""A SQLite file as the store's database: its permissions, connections, write-ahead log and errors."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from .database import Database, Log, create, migrate
from .schema import REVISION, StoreError
from .search.fulltext import full_text
from .search.sqlite import teach
from .unavailable import Unavailable

APPLICATION_ID = 0x4D4C5953
VERSION = int(REVISION)
BUSY_SECONDS = 30

PAGE_SIZE = 16 * 1024
"""The page size of a new file in bytes. It is large, since events hold texts and are written by hundreds."""

PAGES_AT_ONCE = 256
"""Pages that are given back to the disk at once, 4 MiB of them."""

KEPT_LOG = 64 * 1024 * 1024
"""Bytes to which SQLite's write-ahead log is truncated after it grew."""

LONGEST_LOG = 96 * 1024 * 1024
"""Bytes of SQLite's write-ahead log (the file ``…-wal``) above which reads are held back until it is empty."""

PRIVATE = 0o600
"""The mode of a database file: it holds what people said."""

STEPS = 10_000
"""Steps of SQLite between two checks of the clock, roughly a millisecond."""

LEAST_FREE = 1024 * 1024
"""Free bytes below which the disk counts as full."""

_CAUSES = {
    "disk is full": "the disk is full",
    "disk I/O error": "the disk cannot be read or written",
    "unable to open": "the database file cannot be opened",
    "readonly": "the database file cannot be written",
    "locked": "another program holds the database",
    "malformed": "the database is damaged",
    "not a database": "the database is damaged",
}
"""Errors by words of SQLite's message, since Python 3.10 has no error codes."""

logger = logging.getLogger("mindlytics.server")


class SQLiteFile(Database):
    """One SQLite file.

    :raises StoreError: SQLite would take the path for a private database of each connection, such as ``:memory:``.
    """

    def __init__(self, path: str | Path) -> None:
        if str(path) in ("", ":memory:") or str(path).startswith("file:"):
            raise StoreError(
                f'the database must be a file, named by its path, got "{path}"'
                " (LocalServer makes a temporary file by default)"
            )
        self.path = Path(path).absolute()  # connections are opened one by one, the last of them in any directory
        self.name = str(self.path)
        self._identity: tuple[int, int] | None = None
        self._reader = _engine(self.path, "BEGIN")

    def open(self) -> Connection:
        """Open it. Only the owner can read a new file, and SQLite gives the files beside it the same mode."""
        with suppress(OSError):  # SQLite reports the error
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, PRIVATE))
        try:
            connection = _engine(self.path, "BEGIN IMMEDIATE").connect()
        except DBAPIError as error:
            raise self._store_error(error.orig) from error
        try:
            self._prepare(connection)
        except (DBAPIError, sqlite3.Error) as error:
            connection.close()
            raise self._store_error(getattr(error, "orig", error)) from error
        except BaseException:
            connection.close()
            raise
        self._identity = self._look()
        return connection

    def revision(self, connection: Connection) -> str | None:
        """The version that the file itself notes, which those before Alembic have, too."""
        query = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
        application_id, version = connection.exec_driver_sql(query).one()
        if application_id == APPLICATION_ID and version != VERSION:
            return f"{version:04}"
        return super().revision(connection)

    def _prepare(self, connection: Connection) -> None:
        driver = _driver(connection)
        application_id, tables = driver.execute(
            "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
        ).fetchone()
        if application_id != APPLICATION_ID and (application_id or tables):
            raise StoreError(f"{self.path} is a SQLite database of another program")
        driver.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        driver.execute("PRAGMA auto_vacuum = INCREMENTAL")  # an existing file takes it over when it is migrated
        driver.execute("PRAGMA secure_delete = ON")
        driver.execute("PRAGMA journal_mode = WAL")
        driver.execute("PRAGMA synchronous = NORMAL")
        driver.execute("PRAGMA wal_autocheckpoint = 4000")
        driver.execute("PRAGMA cache_size = -16000")
        driver.execute(f"PRAGMA journal_size_limit = {KEPT_LOG}")
        with connection.begin():
            version = driver.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                create(connection)
                driver.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            elif version != VERSION:
                migrate(connection, f"{version:04}", self.name)
            if version != VERSION:
                driver.execute(f"PRAGMA user_version = {VERSION}")
        if version != VERSION:
            self._make_private()
            if version:
                self._free_space(driver)
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # clears the log of earlier data

    def _free_space(self, driver: sqlite3.Connection) -> None:
        """Free the space of the former tables. Without as much free space as the file takes, it stays in use."""
        try:
            driver.execute("VACUUM")
        except sqlite3.OperationalError as error:
            logger.warning("%s is upgraded, and keeps the size that it had: %s", self.path, error)

    def compact(self, connection: Connection, *, whole: bool) -> bool:
        driver = _driver(connection)
        if not whole:
            driver.executescript(
                f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})"
            )  # execute() takes one step, for one page
            left: int = driver.execute("PRAGMA freelist_count").fetchone()[0]
            return left == 0
        with connection.begin():
            full_text(connection).compact()
        driver.execute("VACUUM")
        until = time.monotonic() + BUSY_SECONDS
        while not self.log(connection).empty():
            if time.monotonic() > until:
                raise Unavailable("the log of writes holds what was deleted, since another program reads the file")
            time.sleep(0.05)
        return True

    def check_present(self) -> None:
        if not self.path.is_file():
            raise StoreError(f"there is no file {self.path}")

    def reading(self, over: Callable[[], bool]) -> Connection:
        connection = self._reader.connect()
        driver = _driver(connection)
        driver.execute("PRAGMA query_only = ON")
        driver.set_progress_handler(over, STEPS)
        return connection

    def limit(self, connection: Connection, seconds: float) -> None:
        """Do nothing: SQLite asks now and then whether to continue."""

    def interrupt(self, connection: Connection) -> None:
        _driver(connection).interrupt()

    def unavailable(self, error: BaseException) -> Unavailable | None:
        error = getattr(error, "orig", error)
        if isinstance(error, sqlite3.DatabaseError):
            for words, cause in _CAUSES.items():
                if words in str(error):
                    return Unavailable(cause)
        return None

    def was_interrupted(self, error: BaseException) -> bool:
        return "interrupted" in str(getattr(error, "orig", error))

    def check(self) -> None:
        """Check that the path still leads to the file. A removed file accepts writes that are lost."""
        found = self._look()
        if found != self._identity:
            raise Unavailable(f"the database file was {'removed' if found is None else 'replaced'}")

    def check_room(self) -> None:
        if shutil.disk_usage(self.path.parent).free < LEAST_FREE:
            raise Unavailable("the disk is full")

    def log(self, connection: Connection) -> Log:
        return _Log(_driver(connection), f"{self.path}-wal")

    def dispose(self) -> None:
        self._reader.dispose()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _make_private(self) -> None:
        """Restrict an existing file to its owner."""
        for file in (self.path, Path(f"{self.path}-wal"), Path(f"{self.path}-shm")):
            try:
                file.chmod(PRIVATE)
            except FileNotFoundError:
                pass
            except OSError as error:
                logger.warning(
                    "%s may be read by others on this machine: its mode cannot be set: %s", file, error.strerror
                )

    def _store_error(self, error: BaseException | None) -> StoreError:
        if "not a database" in str(error):
            return StoreError(f"{self.path} is not a SQLite database")
        if not self.path.parent.is_dir():
            return StoreError(f"{self.path} cannot be opened: there is no directory {self.path.parent}")
        return StoreError(f"{self.path} cannot be opened for writing: {error}")


class _Log(Log):
    def __init__(self, driver: sqlite3.Connection, path: str) -> None:
        self._driver = driver
        self._path = path

    def is_long(self) -> bool:
        try:
            return os.stat(self._path).st_size > LONGEST_LOG
        except OSError:
            return False

    def empty(self) -> bool:
        self._driver.execute("PRAGMA busy_timeout = 0")
        try:
            return not self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error:
            return False
        finally:
            self._driver.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def _engine(path: Path, begin: str) -> Engine:
    """Connections to a file, with transactions that begin with this statement instead of sqlite3's own."""

    def connect() -> sqlite3.Connection:
        driver = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        teach(driver)
        return driver

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
