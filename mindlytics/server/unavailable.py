"""When the store cannot be used for now: the disk is full, the file is gone, a read took too long, the server stops.

Such a request is answered with 503, and may be repeated. What the message says is for everybody, so it names no path.
"""

from __future__ import annotations

from ..errors import MindlyticsError

RETRY_SECONDS = 1
"""The ``Retry-After`` of an answer with 503."""


class Unavailable(MindlyticsError):
    """The store cannot do this for now. The message says why."""


class Stopping(Unavailable):
    """The server stops."""

    def __init__(self) -> None:
        super().__init__("the server stops")
