"""What delivery needs of a service's protocol: encoded events, and verdicts on replies. ``wire.py`` provides both."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from ..secret import Headers


class Fate(enum.Enum):
    """What to do with the batch."""

    DELIVERED = "delivered"
    RETRY = "retry"
    HALVE = "halve"
    """The service refuses something in it (400, 422). Halve it until the bad event stands alone."""
    SHRINK = "shrink"
    """It is too large (413). Halve it by bytes."""
    REFUSED = "refused"
    MOVED = "moved"
    """Send the same request to another path of the same host."""
    TIME_UP = "time up"
    """The deadline came before the next attempt. Other batches fare the same."""


@frozen
class Verdict:
    """What a reply means.

    :param status: the HTTP status, or 0 without a reply.
    :param message: the service's message, or the kind of network error. It may quote an event, so keep it out of logs.
    :param wait: seconds that the service asks to wait, or None.
    :param stale: a kept-alive connection had ended. Retry at once on a new one.
    :param location: the new address, for ``MOVED``.
    """

    fate: Fate
    status: int = 0
    message: str = ""
    wait: float | None = None
    stale: bool = False
    location: str = ""


class Wire(Protocol):
    """What delivery needs of a protocol.

    :param url: the address for batches.
    :param piece_overhead: bytes that a body adds to each event.
    :param body_overhead: bytes that a body adds once.
    """

    url: str
    piece_overhead: int
    body_overhead: int

    def encode(self, event: Any) -> bytes:
        """Encode one event, ready to be framed. Called once for each event."""

    def body(self, pieces: Sequence[bytes], *, bare: bool, key: str) -> bytes:
        """Frame encoded events as one body, for a batch with that ``Idempotency-Key``."""

    def headers(self, key: str) -> Headers:
        """The headers of a batch with that ``Idempotency-Key``."""

    def judge(self, status: int, headers: Mapping[str, str], body: bytes, *, wall: float) -> Verdict:
        """What a reply means. ``wall`` is the wall clock in seconds since the epoch."""

    def allows_bare(self) -> bool:
        """Whether to retry a refused array of one event as a bare object."""

    def took(self, *, bare: bool) -> None:
        """Note that a body of that form was accepted."""

    def takes_bare_only(self) -> bool:
        """Whether the service turned out to take only bare objects."""
