"""Records that are read together with others of the same key, kept until the end of the file.

They are in a separate database, which SQLite keeps in memory while it is small, and on disk beyond that.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .context import Record

if TYPE_CHECKING:
    import sqlite3

SCHEMA = """
CREATE TABLE records (seq INTEGER PRIMARY KEY, shape TEXT, key TEXT, own TEXT, parent TEXT, record BLOB);
"""
FOLLOW = """
UPDATE records SET key = before.key FROM records AS before
WHERE before.shape = records.shape AND before.own = records.parent AND before.key != records.key
"""


class Gathering:
    """Records by shape and key."""

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None
        self._linked = False

    def add(self, shape: str, key: str, record: Record, parent: str | None = None) -> None:
        """Keep a record. ``parent`` is the key of another record, whose group it joins."""
        if self._database is None:
            import sqlite3  # noqa: PLC0415  few formats need it

            self._database = sqlite3.connect("", isolation_level=None)
            self._database.executescript(SCHEMA)
            self._database.execute("BEGIN")
        self._linked = self._linked or parent is not None
        body = pickle.dumps((record.value, record.number, record.place, record.between), pickle.HIGHEST_PROTOCOL)
        row = (shape, _text(key), _text(key), None if parent is None else _text(parent), body)
        self._database.execute("INSERT INTO records (shape, key, own, parent, record) VALUES (?, ?, ?, ?, ?)", row)

    def groups(self) -> Iterator[tuple[str, list[Record]]]:
        """Yield all groups in the order of their first records."""
        database = self._database
        if database is None:
            return
        database.execute("CREATE INDEX by_key ON records (shape, key)")
        if self._linked:
            database.execute("CREATE INDEX by_own ON records (shape, own)")
            for _ in range(1000):
                if not database.execute(FOLLOW).rowcount:
                    break
        for shape, key, _ in database.execute(
            "SELECT shape, key, MIN(seq) FROM records GROUP BY shape, key ORDER BY 3"
        ):
            found = database.execute(
                "SELECT record FROM records WHERE shape = ? AND key = ? ORDER BY seq", (shape, key)
            )
            yield shape, [Record(*pickle.loads(body)) for (body,) in found]

    def close(self) -> None:
        """Remove all records."""
        if self._database is not None:
            self._database.close()


def _text(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
