"""Which conversations are stored already: a file, so that the next import passes over them."""

from __future__ import annotations

import os
import sqlite3
from hashlib import blake2b

EVERY = 200
"""After so many conversations the file is written. What a killed process had not written is sent again."""


class Checkpoint:
    """The digests of what is stored at one service, in one project.

    :param path: the file, which is made where there is none. Several processes may use it at once.
    :param scope: the service and the project.
    :raises OSError: the file is no checkpoint, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], scope: str) -> None:
        self._scope = scope.encode()
        self._fresh: set[bytes] = set()
        try:
            self._database = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._database.execute("CREATE TABLE IF NOT EXISTS stored (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        except sqlite3.Error as error:
            raise OSError(f"{os.fspath(path)} is no checkpoint that can be written: {error}") from None

    def _key(self, digest: bytes) -> bytes:
        return blake2b(digest + self._scope, digest_size=16).digest()

    def __contains__(self, digest: bytes) -> bool:
        key = self._key(digest)
        if key in self._fresh:
            return True
        return self._database.execute("SELECT 1 FROM stored WHERE digest = ?", (key,)).fetchone() is not None

    def add(self, digest: bytes) -> None:
        """Note that a conversation is stored."""
        self._fresh.add(self._key(digest))
        if len(self._fresh) >= EVERY:
            self.write()

    def write(self) -> None:
        """Write what was noted."""
        if self._fresh:
            self._database.execute("BEGIN IMMEDIATE")
            rows = [(key,) for key in self._fresh]
            self._database.executemany("INSERT OR IGNORE INTO stored VALUES (?)", rows)
            self._database.execute("COMMIT")
            self._fresh.clear()

    def close(self) -> None:
        """Write, and close the file."""
        self.write()
        self._database.close()
