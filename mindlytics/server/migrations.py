"""How a database file of an earlier version becomes one of the present.

The tables of a new file are in ``schema.py``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from .keyhash import hashed, new_salt, shown

STORING = ("/bc/v1/events/queue", "/ingestion.v1alpha.IngestionService/CollectEvents")
"""The addresses of which version 4 kept an Idempotency-Key without saying which."""


def migrate(connection: sqlite3.Connection, version: int) -> bool:
    """Take a file from its version to the present one, within the transaction that is open; whether that can be done.

    :param version: that of the file.
    """
    if version not in STEPS:
        return False
    while version in STEPS:
        STEPS[version](connection)
        version += 1
    return True


def _hash_keys(connection: sqlite3.Connection) -> None:
    """4 to 5: keys are kept as hashes, idempotency keys with the request that they are of."""
    connection.execute("PRAGMA secure_delete = ON")  # what is dropped here is overwritten
    salt = new_salt()
    connection.execute("CREATE TABLE salt (salt BLOB NOT NULL)")
    connection.execute("INSERT INTO salt VALUES (?)", (salt,))
    connection.execute(
        "CREATE TABLE orgkeys_5 ("
        " seq INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, apikey TEXT NOT NULL, organization_id TEXT NOT NULL,"
        " created_at INTEGER NOT NULL, issued INTEGER NOT NULL DEFAULT 0)"
    )
    rows = connection.execute("SELECT seq, apikey, organization_id, created_at, issued FROM orgkeys").fetchall()
    connection.executemany(
        "INSERT INTO orgkeys_5 VALUES (?, ?, ?, ?, ?, ?)",
        [(seq, hashed(key, salt), shown(key), *others) for seq, key, *others in rows],
    )
    connection.execute("DROP TABLE orgkeys")
    connection.execute("ALTER TABLE orgkeys_5 RENAME TO orgkeys")
    connection.execute("ALTER TABLE idempotency_keys ADD COLUMN body BLOB")
    unanswered = "FROM idempotency_keys WHERE answer IS NULL"
    rows = connection.execute(f"SELECT scope, key, seen_at {unanswered}").fetchall()
    connection.execute(f"DELETE {unanswered}")
    connection.executemany(
        "INSERT INTO idempotency_keys (scope, key, seen_at) VALUES (?, ?, ?)",
        [(scope, f"POST {path} {key}", seen_at) for path in STORING for scope, key, seen_at in rows],
    )


def _index_open_sessions(connection: sqlite3.Connection) -> None:
    """5 to 6: open sessions are found without reading all."""
    connection.execute("CREATE INDEX open_sessions ON sessions (ended_at) WHERE ended_at IS NULL")


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {4: _hash_keys, 5: _index_open_sessions}
"""By the version that a step begins with."""
