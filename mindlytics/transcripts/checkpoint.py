"""Which conversations are stored already: a file, so that the next import passes over them.

It also holds which conversations a request under way has in it. So a run after a killed one makes the same requests,
under the same keys, and the service knows those that it took.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b

EVERY = 200
"""After so many conversations the file is written. What a killed process had not written is sent again."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS stored (digest BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (digest BLOB PRIMARY KEY, request BLOB, place INTEGER) WITHOUT ROWID;
"""


class Checkpoint:
    """The digests of what is stored at one service, in one project.

    :param path: the file, which is made where there is none. Several processes may use it at once.
    :param scope: the service and the project.
    :raises OSError: the file is no checkpoint, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], scope: str) -> None:
        self._scope = scope.encode()
        self._fresh: set[bytes] = set()
        self._lock = threading.Lock()
        self._database = _open(path)
        self._before = {digest for (digest,) in self._database.execute("SELECT digest FROM sent")}
        """What other runs have sent, and not noted as stored."""
        self._is_new = self._database.execute("SELECT 1 FROM stored LIMIT 1").fetchone() is None
        """Whether other runs have stored nothing, so that there is nothing to look for."""

    def _key(self, digest: bytes) -> bytes:
        return blake2b(digest + self._scope, digest_size=16).digest()

    def __contains__(self, digest: bytes) -> bool:
        key = self._key(digest)
        if self._is_new:
            return key in self._fresh
        with self._lock:
            return key in self._fresh or self._is_stored(key)

    def _is_stored(self, key: bytes) -> bool:
        return self._database.execute("SELECT 1 FROM stored WHERE digest = ?", (key,)).fetchone() is not None

    def request_of(self, digest: bytes) -> tuple[bytes, int, int] | None:
        """The request in which an earlier run sent a conversation: its id, the place in it, and how many it has."""
        key = self._key(digest)
        if key not in self._before:
            return None
        with self._lock:
            found: tuple[bytes, int, int] | None = self._database.execute(
                "SELECT request, place, (SELECT count(*) FROM sent AS all_ WHERE all_.request = sent.request) "
                "FROM sent WHERE digest = ?",
                (key,),
            ).fetchone()
        return found

    def sending(self, digests: Sequence[bytes], request: bytes) -> set[bytes]:
        """Write down what a request has in it, before it is sent.

        :returns: which of these another process has sent meanwhile. They belong into no other request.
        """
        keys = {self._key(digest): digest for digest in digests}
        with self._lock, self._transaction():
            taken = {key for key in keys if self._is_stored(key) or self._is_of_another(key)}
            if not taken:
                rows = [(key, request, place) for place, key in enumerate(keys)]
                self._database.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", rows)
        return {keys[key] for key in taken}

    def _is_of_another(self, key: bytes) -> bool:
        if key in self._before:
            return False
        return self._database.execute("SELECT 1 FROM sent WHERE digest = ?", (key,)).fetchone() is not None

    def add(self, digests: Iterable[bytes]) -> None:
        """Note that all conversations of a request are stored."""
        with self._lock:
            self._fresh.update(map(self._key, digests))
            if len(self._fresh) >= EVERY:
                self._write()

    def _write(self) -> None:
        rows = [(key,) for key in self._fresh]
        with self._transaction():
            self._database.executemany("INSERT OR IGNORE INTO stored VALUES (?)", rows)
            self._database.executemany("DELETE FROM sent WHERE digest = ?", rows)
        self._fresh.clear()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Write what was noted, and close the file."""
        with self._lock:
            if self._fresh:
                self._write()
            self._database.close()


def _open(path: str | os.PathLike[str]) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
    except sqlite3.Error as error:
        raise OSError(f"{os.fspath(path)} is no checkpoint that can be written: {error}") from None
    return database
