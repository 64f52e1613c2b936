"""When the store cannot be used for now: the disk is full, the file is gone, a read took too long, the server stops.

Such a request is answered with 503, and may be repeated. What the message says is for everybody, so it names no path.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from ..errors import MindlyticsError

RETRY_SECONDS = 1
"""The ``Retry-After`` of an answer with 503."""

LEAST_FREE = 1024 * 1024
"""With fewer bytes left the disk counts as full."""

_CAUSES = {
    "disk is full": "the disk is full",
    "disk I/O error": "the disk cannot be read or written",
    "unable to open": "the database file cannot be opened",
    "readonly": "the database file cannot be written",
    "locked": "another program holds the database",
}
"""By words of SQLite's message. Python 3.10 gives no code of an error."""


class Unavailable(MindlyticsError):
    """The store cannot do this for now. The message says why."""


class Stopping(Unavailable):
    """The server stops."""

    def __init__(self) -> None:
        super().__init__("the server stops")


def unavailable(error: BaseException) -> Unavailable | None:
    """What an error of SQLite means for a request, if it is no mistake of ours."""
    if isinstance(error, sqlite3.OperationalError):
        for words, cause in _CAUSES.items():
            if words in str(error):
                return Unavailable(cause)
    return None


class OpenFile:
    """A file that is open, by its path. One that is removed still takes writes, which nobody can read later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._look()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def check(self) -> None:
        """See whether the path still leads to the file.

        :raises Unavailable: the file is gone, or another one took its place.
        """
        found = self._look()
        if found != self._identity:
            raise Unavailable(f"the database file was {'removed' if found is None else 'replaced'}")

    def check_disk(self) -> None:
        """See whether there is room.

        :raises Unavailable: the disk is full.
        """
        if shutil.disk_usage(self._path.parent).free < LEAST_FREE:
            raise Unavailable("the disk is full")
