"""The database file: its tables, and how a connection to it is opened.

What the rows mean and how events change them is in ``sessions.py`` and ``users.py``; how they are read in ``find.py``.
Moments are kept as whole microseconds since 1970 in UTC, maps of scalars as JSON text.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TypeVar

from ..errors import InvalidEvent, MindlyticsError
from ..values import parse_timestamp
from .keyhash import new_salt
from .migrations import migrate

Connection = TypeVar("Connection", bound=sqlite3.Connection)

APPLICATION_ID = 0x4D4C5953
VERSION = 6
BUSY_SECONDS = 30

PAGE_SIZE = 16 * 1024
"""Bytes of a page of a new file: larger than usual, since events are written by hundreds and hold texts."""

KEPT_LOG = 64 * 1024 * 1024
"""Bytes to which the file of SQLite's log of writes is cut where it has become longer."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
PRIVATE = 0o600
"""The mode of a database file: it holds what people said."""

FIRST, LAST = ((moment.replace(tzinfo=timezone.utc) - EPOCH) // MICROSECOND for moment in (datetime.min, datetime.max))

_SCHEMA = """
CREATE TABLE organizations (
    seq INTEGER PRIMARY KEY, organization_id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL
);
CREATE TABLE salt (salt BLOB NOT NULL);
CREATE TABLE orgkeys (
    seq INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, apikey TEXT NOT NULL, organization_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, issued INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE apps (
    scope INTEGER PRIMARY KEY AUTOINCREMENT, organization_id TEXT NOT NULL, app_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (organization_id, app_id)
);
CREATE TABLE users (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, user_id TEXT NOT NULL, id TEXT NOT NULL,
    anonymous INTEGER NOT NULL, aliases TEXT NOT NULL, created_at INTEGER NOT NULL, traits TEXT NOT NULL,
    UNIQUE (scope, user_id)
);
CREATE TABLE aliases (
    scope INTEGER, alias TEXT, user_id TEXT NOT NULL, PRIMARY KEY (scope, alias)
) WITHOUT ROWID;
CREATE TABLE devices (
    scope INTEGER, device_id TEXT, user_id TEXT NOT NULL, PRIMARY KEY (scope, device_id)
) WITHOUT ROWID;
CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, user_id TEXT NOT NULL, device_id TEXT,
    started_at INTEGER NOT NULL, ended_at INTEGER, attributes TEXT NOT NULL, event_count INTEGER NOT NULL,
    UNIQUE (scope, session_id)
);
CREATE INDEX sessions_of_user ON sessions (scope, user_id);
CREATE INDEX open_sessions ON sessions (ended_at) WHERE ended_at IS NULL;
CREATE TABLE conversations (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    user_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER,
    properties TEXT NOT NULL, attributes TEXT NOT NULL,
    event_count INTEGER NOT NULL, message_count INTEGER NOT NULL, turn_count INTEGER NOT NULL,
    function_count INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost REAL,
    UNIQUE (scope, session_id, conversation_id)
);
CREATE INDEX conversations_by_id ON conversations (scope, conversation_id);
CREATE INDEX conversations_of_user ON conversations (scope, user_id);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, event_id TEXT NOT NULL, origin_event_id TEXT,
    session_id TEXT NOT NULL, conversation_id TEXT, user_id TEXT NOT NULL, timestamp INTEGER NOT NULL,
    event TEXT NOT NULL, properties TEXT NOT NULL, user_traits TEXT, message_index INTEGER
);
CREATE INDEX events_by_id ON events (event_id);
CREATE INDEX events_of_session ON events (session_id);
CREATE INDEX events_of_conversation ON events (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE VIEW messages AS
    SELECT seq, scope, event_id, session_id, conversation_id, user_id, timestamp,
           message_index + (role = 'assistant' AND json_extract(properties, '$.user') <> '') AS "index",
           role, json_extract(properties, '$.' || role) AS content
      FROM events CROSS JOIN (SELECT 'user' AS role UNION ALL SELECT 'assistant')
     WHERE message_index IS NOT NULL AND json_extract(properties, '$.' || role) <> '';
CREATE TABLE antonnia (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, session_id TEXT,
    document TEXT NOT NULL, UNIQUE (scope, kind, id)
);
CREATE INDEX antonnia_in_order ON antonnia (scope, kind);
CREATE INDEX antonnia_by_session ON antonnia (scope, kind, session_id);
CREATE INDEX antonnia_by_contact ON antonnia (scope, kind, json_extract(document, '$.contact_id'));
CREATE INDEX antonnia_by_provider ON antonnia (scope, kind, json_extract(document, '$.provider_message_id'));
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    intent TEXT NOT NULL, intent_fulfilled TEXT NOT NULL, summary TEXT, sentiment TEXT,
    informed_at INTEGER NOT NULL, informed_by TEXT NOT NULL, closed_at INTEGER NOT NULL, closed_by TEXT NOT NULL,
    analysis TEXT NOT NULL
);
CREATE INDEX intents_of_session ON intents (session_id);
CREATE TABLE unanalysed (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    event_id TEXT NOT NULL, timestamp INTEGER NOT NULL, noted_at INTEGER NOT NULL
);
CREATE TABLE idempotency_keys (
    scope INTEGER, key TEXT, seen_at INTEGER NOT NULL, answer TEXT, body BLOB, PRIMARY KEY (scope, key)
) WITHOUT ROWID;
"""


logger = logging.getLogger("mindlytics.server")


class StoreError(MindlyticsError):
    """The database file cannot be used; the message names the file and says why."""


def microseconds(moment: str | datetime, field: str = "timestamp") -> int:
    """A moment as it is stored.

    :raises InvalidEvent: in UTC it falls outside of the years 1 to 9999.
    :raises ValueError: the text is no ISO 8601 date and time.
    """
    if isinstance(moment, str):
        moment = parse_timestamp(moment)
    stored = (moment - EPOCH) // MICROSECOND
    if not FIRST <= stored <= LAST:
        raise InvalidEvent(field, "a moment within the years 1 to 9999 in UTC", moment)
    return stored


def now() -> int:
    """This moment as it is stored."""
    return time.time_ns() // 1000


def iso(stored: int) -> str:
    """A stored moment as ISO 8601 in UTC, in milliseconds, or microseconds where there are any."""
    moment = EPOCH + timedelta(microseconds=stored)
    precision = "microseconds" if stored % 1000 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def file_at(path: str | Path) -> Path:
    """The path of a database file, absolute: connections are opened one by one, the last of them in any directory.

    :raises StoreError: SQLite would take it for something else than a file, of which each connection has its own.
    """
    if str(path) in ("", ":memory:") or str(path).startswith("file:"):
        raise StoreError(
            f'the database must be a file, named by its path, got "{path}"'
            " (LocalServer takes a temporary file where it is given none)"
        )
    return Path(path).absolute()


def open_database(path: Path) -> sqlite3.Connection:
    """A connection for writing. A new file is given its tables, and one of an earlier version is migrated.

    A new file is its owner's alone. SQLite gives the files beside it (``-wal``, ``-shm``) the same mode.

    :raises StoreError: the file is none of ours, or cannot be written.
    """
    with suppress(OSError):  # SQLite says what is the matter
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE))
    try:
        connection = _connect(path, sqlite3.Connection)
    except sqlite3.Error as error:
        raise _store_error(path, error) from error
    try:
        application_id, tables = connection.execute(
            "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
        ).fetchone()
        if application_id != APPLICATION_ID and (application_id or tables):
            raise StoreError(f"{path} is a SQLite database of another program")
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute(f"PRAGMA journal_size_limit = {KEPT_LOG}")
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO salt VALUES (?)", (new_salt(),))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        elif version != VERSION and not migrate(connection, version):
            raise StoreError(f"{path} was written by another version of mindlytics (format {version})")
        if version != VERSION:
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        if version != VERSION:
            _make_private(path)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nothing of before is left in the log
    except sqlite3.Error as error:
        connection.close()
        raise _store_error(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path, kind: type[Connection]) -> Connection:
    """A connection of this class that cannot write; rows come by name."""
    connection = _connect(path, kind)
    connection.execute("PRAGMA query_only = ON")
    connection.row_factory = sqlite3.Row
    return connection


def _connect(path: Path, kind: type[Connection]) -> Connection:
    return kind(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _make_private(path: Path) -> None:
    """Keep others on this machine from reading a file that was not made here, or by an earlier version."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        try:
            file.chmod(PRIVATE)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.warning("%s may be read by others on this machine: its mode cannot be set: %s", file, error.strerror)


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    if "not a database" in str(error):
        return StoreError(f"{path} is not a SQLite database")
    if not path.parent.is_dir():
        return StoreError(f"{path} cannot be opened: there is no directory {path.parent}")
    return StoreError(f"{path} cannot be opened for writing: {error}")
