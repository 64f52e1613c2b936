"""What delivery needs of a service's protocol: encoded events, and verdicts on replies. ``wire.py`` provides both."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from ..secret import Headers


class Fate(enum.Enum):
    """What is to be done with the batch."""

    DELIVERED = "delivered"
    RETRY = "retry"
    HALVE = "halve"
    """The service refuses something in it (400, 422): halve until the bad event stands alone."""
    SHRINK = "shrink"
    """It is too large (413): halve by bytes."""
    REFUSED = "refused"
    MOVED = "moved"
    """The same request is wanted at another path of the same host."""
    TIME_UP = "time up"
    """No attempt can begin before the deadline. That says nothing about this batch in particular."""


@frozen
class Verdict:
    """A reply, judged.

    :param status: the HTTP status, 0 where no reply came.
    :param message: the service's own words, or the network error's kind; may quote an event, so it is never logged.
    :param wait: seconds that the service wants to be left alone, or None.
    :param stale: a kept-alive connection had ended: try again at once, on a new one.
    :param location: where the request is wanted, for ``MOVED``.
    """

    fate: Fate
    status: int = 0
    message: str = ""
    wait: float | None = None
    stale: bool = False
    location: str = ""


class Wire(Protocol):
    """What delivery needs of a protocol.

    :param url: where batches are posted.
    :param piece_overhead: bytes that a body has beyond each event's own.
    :param body_overhead: bytes that a body has beyond that.
    """

    url: str
    piece_overhead: int
    body_overhead: int

    def encode(self, event: Any) -> bytes:
        """One event, ready to be framed. Called once for each event."""

    def body(self, pieces: Sequence[bytes], *, bare: bool, key: str) -> bytes:
        """Encoded events as one body, of a batch with that ``Idempotency-Key``."""

    def headers(self, key: str) -> Headers:
        """The headers of a batch with that ``Idempotency-Key``."""

    def judge(self, status: int, headers: Mapping[str, str], body: bytes, *, wall: float) -> Verdict:
        """What a reply means. ``wall`` is the time of day, in seconds since the epoch."""

    def allows_bare(self) -> bool:
        """Whether a lone event that an array was refused for may be tried as a bare object."""

    def took(self, *, bare: bool) -> None:
        """A body of that form was accepted."""

    def takes_bare_only(self) -> bool:
        """Whether the service has been found to take bare objects only."""
