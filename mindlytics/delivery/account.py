"""What became of events, as values: the account of a session or a pipeline, and what a program sees of it.

``ledger.py`` counts. Nothing here takes a lock.
"""

from __future__ import annotations

import enum
import itertools
from collections import deque
from typing import Union

from attrs import Factory, define, frozen

from ..errors import OnError
from ..events import AnyEvent
from ..pydantic_names import PydanticNames

Entry = tuple[int, int, int, Union[bytes, AnyEvent]]
"""An accepted event: its sequence number in the pipeline (from 1), the number of its account, roughly the bytes of
memory that it holds, and its encoded form, or the event if the sender has to encode it. For an event on disk (see
``pipeline/spooler.py``), the third is negative: minus its number in the log. The garbage collector skips such a plain
tuple of plain values."""


class Reason(str, enum.Enum):
    """Why an accepted event was dropped on this side."""

    QUEUE_FULL = "queue_full"
    """Too much was pending (``max_queue_events``, ``max_queue_bytes``). ``on_full`` chose this event."""
    GAVE_UP = "gave_up"
    """The service could not be reached, or kept asking to wait, for ``retry_for`` seconds."""
    TOO_LARGE = "too_large"
    """The event alone is larger than ``max_batch_bytes``."""
    SHUTDOWN = "shutdown"
    """The client was closed, or the program ended, and ``shutdown_timeout`` passed before the event was sent."""
    CLOSED = "closed"
    """The event came after ``close()``."""
    DISABLED = "disabled"
    """The client's ``enabled`` setting is off."""
    UNENCODABLE = "unencodable"
    """The event could not be turned into bytes."""
    BEFORE_SEND = "before_send"
    """Your ``before_send`` returned None for it."""
    BEFORE_SEND_FAILED = "before_send_failed"
    """Your ``before_send`` raised, or returned something other than an event. The event must not leave unchanged."""
    SENDER_FAILED = "sender_failed"
    """The sender itself kept failing for ``retry_for`` seconds, by an error on this side."""
    SAMPLED_OUT = "sampled_out"
    """Its session is not among those that ``sample_rate`` records."""
    SPOOL_FULL = "spool_full"
    """The spool was full (``spool_max_bytes``, or the disk), and so was the memory. ``on_full`` chose this event."""
    SPOOL_EXPIRED = "spool_expired"
    """The event was in the spool for longer than ``spool_max_age`` and could not be delivered."""
    SPOOL_CORRUPT = "spool_corrupt"
    """The event was in the spool, and what was there could not be read back."""

    @property
    def is_loss(self) -> bool:
        """Whether the event is missed. A drop that the settings ask for is no loss."""
        return self not in (Reason.DISABLED, Reason.BEFORE_SEND, Reason.SAMPLED_OUT)

    __hash__ = str.__hash__  # Enum's is a Python function, which an interrupt may enter


@frozen
class APIResponse(PydanticNames):
    """One loss, as ``get_errors()`` lists it.

    :param errored: always True.
    :param status: the HTTP status behind it, or 0.
    :param message: the service's message, or what happened.
    """

    errored: bool
    status: int
    message: str


@frozen
class FlushResult(PydanticNames):
    """The account when a flush returns: counts since the account began.

    ``pending`` is 0 if everything was settled in time.
    """

    delivered: int
    refused: int
    dropped: int
    pending: int

    def __add__(self, other: FlushResult) -> FlushResult:
        return FlushResult(
            self.delivered + other.delivered,
            self.refused + other.refused,
            self.dropped + other.dropped,
            self.pending + other.pending,
        )


@frozen
class Stats(PydanticNames):
    """The account of a client or session at one time. ``accepted`` is always the sum of the next four counts.

    :param reasons: the counts in ``dropped``, by reason.
    :param recovered: how many of ``accepted`` came from the spool of an earlier process.
    :param spooled: how many of ``pending`` are on disk, and stay there when the program ends.
    """

    accepted: int
    delivered: int
    refused: int
    dropped: int
    pending: int
    reasons: dict[str, int]
    recovered: int = 0
    spooled: int = 0

    def __add__(self, other: Stats) -> Stats:
        return Stats(
            self.accepted + other.accepted,
            self.delivered + other.delivered,
            self.refused + other.refused,
            self.dropped + other.dropped,
            self.pending + other.pending,
            {
                name: self.reasons.get(name, 0) + other.reasons.get(name, 0)
                for name in {**self.reasons, **other.reasons}
            },
            self.recovered + other.recovered,
            self.spooled + other.spooled,
        )


ENTRY_SIZE = 200
"""Bytes of memory, roughly, that an entry holds besides the encoded event."""

_numbers = itertools.count(1)


@define(eq=False, repr=False)
class Account:
    """The counts of one session, or of a whole pipeline.

    :param number: unique in the process.
    """

    accepted: int = 0
    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    recovered: int = 0
    spooled: int = 0
    number: int = Factory(_numbers.__next__)
    reasons: dict[Reason, int] = Factory(dict)
    errors: deque[APIResponse] | None = None
    on_error: OnError | None = None
    clients_on_error: OnError | None = None
    """The handler of the session's client, if the pipeline belongs to another client."""

    @property
    def pending(self) -> int:
        return self.accepted - self.delivered - self.refused - self.dropped

    def reset(self) -> None:
        """Start at zero in a forked child, since pending events are the parent's."""
        self.accepted = self.delivered = self.refused = self.dropped = self.recovered = self.spooled = 0
        self.reasons = {}
        self.errors = None
