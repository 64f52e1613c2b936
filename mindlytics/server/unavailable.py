"""When the store is unavailable: the disk is full, the file is gone, a read took too long, or the server stops.

Such a request is answered with 503, and may be repeated. The message is public, so it leaves out paths.
"""

from __future__ import annotations

from ..errors import MindlyticsError

RETRY_SECONDS = 1
"""The ``Retry-After`` of an answer with 503."""


class Unavailable(MindlyticsError):
    """The store is unavailable for this. The message says why."""


class Stopping(Unavailable):
    """The server is stopping."""

    def __init__(self) -> None:
        super().__init__("the server stops")
