"""The account of every event: accepted = delivered + refused + dropped + pending, at every moment.

Accepting an event takes no lock (see ``pipeline/intake.py``): it only ever adds to ``accepted`` and ``held_in``. All
that settles events runs under one lock, which its holder may take again, since a finalizer or a signal handler may
record something in the middle of anything. A count is therefore read and written without a call in between: the handler
might run in that call, and what it counted would be overwritten. Pending is the difference, so the account adds up at
every moment. Nothing here knows why a batch failed, only what became of its events.
"""

from __future__ import annotations

import enum
import itertools
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Union
from weakref import WeakSet

from attrs import Factory, define, frozen

from ..errors import DeliveryError
from ..events import AnyEvent

Entry = tuple[int, int, int, Union[bytes, AnyEvent]]
"""An accepted event on its way: its sequence number in the pipeline (from 1), the number of its account, about how many
bytes of memory it holds, and its encoded form, or the event where the sender is to encode it. Of an event on disk (see
``pipeline/spooler.py``), the third is below zero: minus its number in the log. A plain tuple of plain values, which
costs the garbage collector nothing while it waits."""

MAX_ERRORS = 100
"""Losses that an account remembers one by one; the counts go on."""


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
    """The spool was full (``spool_max_bytes``, or the disk), and so was the memory; ``on_full`` chose this event."""
    SPOOL_EXPIRED = "spool_expired"
    """The event was in the spool for longer than ``spool_max_age`` and could not be delivered."""
    SPOOL_CORRUPT = "spool_corrupt"
    """The event was in the spool, and what was there could not be read back."""

    @property
    def is_loss(self) -> bool:
        """Whether the event is missed. A drop that the settings ask for is no loss."""
        return self not in (Reason.DISABLED, Reason.BEFORE_SEND, Reason.SAMPLED_OUT)

    __hash__ = str.__hash__  # that of Enum is a Python function, in which an interrupt may run


@frozen
class APIResponse:
    """One thing that went wrong, as ``get_errors()`` lists it.

    :param errored: always True.
    :param status: the HTTP status that decided it, or 0.
    :param message: the service's message, or what happened, in words.
    """

    errored: bool
    status: int
    message: str


@frozen
class FlushResult:
    """How the account stands when a flush comes back: counts since the account began.

    ``pending`` is 0 where everything was settled in time.
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
class Stats:
    """The account of a client or session at one moment; ``accepted`` is always the sum of the other four.

    :param reasons: how ``dropped`` is made up, by the name of the reason.
    :param recovered: how many of ``accepted`` were taken over from the spool of an earlier process.
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
"""About how many bytes of memory an entry holds beside the encoded event."""

_numbers = itertools.count(1)


@define(eq=False, repr=False)
class Account:
    """The counts of one session, or of all that goes through a pipeline.

    :param number: tells the accounts of a process apart.
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
    on_error: Callable[[Any], object] | None = None
    clients_on_error: Callable[[Any], object] | None = None
    """That of the session's client, where the pipeline is another client's."""

    @property
    def pending(self) -> int:
        return self.accepted - self.delivered - self.refused - self.dropped

    def reset(self) -> None:
        """Begin anew, as a forked child does: what was pending is the parent's."""
        self.accepted = self.delivered = self.refused = self.dropped = self.recovered = self.spooled = 0
        self.reasons = {}
        self.errors = None


@define(eq=False, repr=False)
class Waiter:
    """Waits until all events accepted so far, of an account or of all, are settled."""

    account: Account | None
    notify: Callable[[], object]
    last: int = 0
    remaining: int = 2**62


class Ledger:
    """What became of every event that a pipeline accepted.

    :param lock: guards all that settles events; may be taken again by its holder.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self.lock = lock
        self.total = Account()
        self.held_in = 0
        """Bytes of memory, about, that all accepted events held, ever."""
        self.held_out = 0
        """Bytes of memory, about, that those of them held that are settled."""
        self.busy: dict[int, Account] = {}
        """The accounts that have events pending, by number; and, for a moment, some that have not."""
        self.last_cause = ""
        """Where and why attempts fail, until one succeeds: in words that may be logged."""
        self._last_loss = ""
        self._accounts: WeakSet[Account] = WeakSet()
        self._given_up = 0
        """Events up to this number are settled, whatever the sender still says of them."""
        self._waiters: dict[Account | None, list[Waiter]] = {}
        self._losses: dict[tuple[Account, str, int, str], int] = {}

    def open_account(self) -> Account:
        """A new account for a session."""
        account = Account()
        self._accounts.add(account)
        return account

    @property
    def pending(self) -> int:
        """Events accepted and not settled."""
        return self.total.pending

    def delivered(self, entries: Sequence[Entry]) -> None:
        """The service acknowledged them."""
        with self.lock:
            entries = self._open(entries)
            counts = self._by_account(entries)
            for account, count in counts:
                account.delivered += count
                self.total.delivered += count
            self._settled(entries, counts)

    def refused(self, entries: Sequence[Entry], status: int, message: str) -> None:
        """The service said no to them, for good."""
        with self.lock:
            entries = self._open(entries)
            counts = self._by_account(entries)
            for account, count in counts:
                account.refused += count
                self.total.refused += count
                self._lost(account, "refused", status, message, count)
                self._last_loss = f"the service refused with status {status}"
            self._settled(entries, counts)

    def dropped(self, entries: Sequence[Entry], reason: Reason, status: int = 0, message: str = "") -> None:
        """They will not be sent (again)."""
        with self.lock:
            entries = self._open(entries)
            counts = self._by_account(entries)
            for account, count in counts:
                self._drop(account, count, reason, status, message)
            self._settled(entries, counts)

    def dropped_at_once(self, account: Account, reason: Reason) -> None:
        """Count an event in that is not even queued."""
        with self.lock:
            self.total.accepted += 1
            account.accepted += 1
            self._drop(account, 1, reason, 0, "")

    def dropped_unseen(self, count: int, reason: Reason) -> None:
        """So many accepted events will not be sent, and it is not known whose they were."""
        with self.lock:
            self._drop(self.total, count, reason, 0, "")

    def give_up(self, reason: Reason, message: str) -> None:
        """Drop all that is pending, wherever on its way it is, but for what is on disk.

        What the sender says of it later does not count. To be called while nothing can be accepted.
        """
        with self.lock:
            for account in list(self.busy.values()):
                if account.pending > account.spooled:
                    self._drop(account, account.pending - account.spooled, reason, 0, message)
            self.busy = {number: account for number, account in self.busy.items() if account.pending}
            self.held_out = self.held_in
            self._given_up = self.total.accepted
            self._notify_all()

    # -- events on disk

    def spooled(self, entries: Sequence[Entry]) -> None:
        """They are on disk, and hold no memory any more."""
        with self.lock:
            for account, count in self._by_account(entries):
                account.spooled += count
                self.total.spooled += count
            size = sum([entry[2] for entry in entries])
            self.held_out += size

    def spool_lost(self) -> None:
        """Nothing is left on disk: what should be there could not be read back."""
        with self.lock:
            lost = [account for account in list(self.busy.values()) if account.spooled]
            for account in lost:
                count = account.spooled
                self._drop(account, count, Reason.SPOOL_CORRUPT, 0, "")
                account.spooled -= count
                self.total.spooled -= count
            self._forget_idle(lost)
            self._notify_all()

    def absorb(self, other: Ledger) -> None:
        """Move what became of another ledger's events, which an earlier process recorded, into this one's total."""
        with self.lock:
            total, its = self.total, other.total
            settled = its.delivered + its.refused + its.dropped
            total.accepted += settled
            total.recovered += settled
            total.delivered += its.delivered
            total.refused += its.refused
            total.dropped += its.dropped
            for reason, count in its.reasons.items():
                total.reasons[reason] = total.reasons.get(reason, 0) + count
            for (_, name, status, message), count in other._losses.items():
                self._last_loss = other._last_loss
                self._lost(total, name, status, message, count)
            other._losses = {}
            its.accepted -= settled
            its.delivered = its.refused = its.dropped = 0
            its.reasons = {}

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits until events are settled."""
        return bool(self._waiters)

    def wait(self, account: Account | None, notify: Callable[[], object]) -> Waiter | None:
        """A waiter for all that is pending now; None where nothing is. ``notify`` is called with the lock held."""
        counts = account or self.total
        with self.lock:
            waiter = Waiter(account, notify)
            self._waiters.setdefault(account, []).append(waiter)
            # It is known already to whoever settles something from here on. No call stands between these two lines.
            waiter.last = self.total.accepted
            waiter.remaining = counts.accepted - counts.delivered - counts.refused - counts.dropped
            if waiter.remaining > 0:
                return waiter
            self._remove(waiter)
            return None

    def cancel(self, waiter: Waiter) -> None:
        """It waits no longer."""
        with self.lock:
            self._remove(waiter)

    @property
    def lost(self) -> int:
        """How many events did not arrive, or are not known to have."""
        with self.lock:
            losses = sum(count for reason, count in self.total.reasons.items() if reason.is_loss)
            return losses + self.total.refused + self.total.pending - self.total.spooled

    @property
    def why_lost(self) -> str:
        """Why events were lost, in words that may be logged."""
        return self.last_cause or self._last_loss

    def stats(self, account: Account | None = None) -> Stats:
        """The account at this moment."""
        with self.lock:
            it = account or self.total
            reasons = {reason.value: count for reason, count in it.reasons.items()}
            settled, accepted = it.delivered + it.refused + it.dropped, it.accepted
            counts = accepted, it.delivered, it.refused, it.dropped, accepted - settled
            return Stats(*counts, reasons, it.recovered, it.spooled)

    def result(self, account: Account | None = None) -> FlushResult:
        """The account at this moment, as a flush returns it."""
        stats = self.stats(account)
        return FlushResult(stats.delivered, stats.refused, stats.dropped, stats.pending)

    def errors(self, account: Account | None = None) -> list[APIResponse]:
        """The losses that the account remembers, oldest first."""
        with self.lock:
            return list((account or self.total).errors or ())

    def take_losses(self) -> list[tuple[Account, DeliveryError]]:
        """The losses since the last call, for those who asked to be told."""
        if not self._losses:
            return []
        with self.lock:
            losses, self._losses = self._losses, {}
        return [
            (account, DeliveryError(reason, count, status, message))
            for (account, reason, status, message), count in losses.items()
        ]

    @property
    def has_losses(self) -> bool:
        """Whether there are losses that nobody has taken."""
        return bool(self._losses)

    def reset(self, lock: AbstractContextManager[object]) -> None:
        """Begin anew in a forked child, with its own lock."""
        self.lock = lock
        self._waiters = {}
        self._losses = {}
        self.busy = {}
        self.held_in = self.held_out = self._given_up = 0
        self.last_cause = self._last_loss = ""
        self.total.reset()
        for account in list(self._accounts):
            account.reset()

    def _open(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those that were not given up."""
        if not self._given_up:
            return entries
        return [entry for entry in entries if entry[0] > self._given_up or entry[2] < 0]

    def _by_account(self, entries: Sequence[Entry]) -> list[tuple[Account, int]]:
        """Whose they are, and how many of each."""
        return [(self.busy[number], count) for number, count in Counter([entry[1] for entry in entries]).items()]

    def _drop(self, account: Account, count: int, reason: Reason, status: int, message: str) -> None:
        for each in (self.total,) if account is self.total else (account, self.total):
            each.dropped += count
            reasons = each.reasons
            if reason in reasons:
                reasons[reason] += count
            else:
                reasons[reason] = count
        if reason.is_loss:
            self._lost(account, reason.value, status, message or WORDS[reason], count)
            self._last_loss = WORDS[reason]

    def _lost(self, account: Account, reason: str, status: int, message: str, count: int = 1) -> None:
        error = APIResponse(True, status, message)
        for holder in (self.total,) if account is self.total else (account, self.total):
            if holder.errors is None:
                holder.errors = deque(maxlen=MAX_ERRORS)
            holder.errors.extend([error] * min(count, MAX_ERRORS))
        key = (account, reason, status, message)
        if key not in self._losses and len(self._losses) >= MAX_ERRORS:
            key = (self.total, reason, status, "for several causes")
        losses = self._losses
        if key in losses:
            losses[key] += count
        else:
            losses[key] = count

    def _settled(self, entries: Sequence[Entry], counts: list[tuple[Account, int]]) -> None:
        """``counts`` says whose they are: an interrupt may settle the rest of an account, which is not busy then."""
        size = sum([entry[2] for entry in entries if entry[2] > 0])
        self.held_out += size
        if self.total.spooled:
            on_disk = Counter([entry[1] for entry in entries if entry[2] < 0])
            for account, _ in counts:
                count = on_disk[account.number]
                account.spooled -= count
                self.total.spooled -= count
        if self._waiters:
            if None in self._waiters:
                self._notify(None, entries)
            for account, _ in counts:
                if account in self._waiters:
                    self._notify(account, [entry for entry in entries if entry[1] == account.number])
        self._forget_idle([account for account, _ in counts])

    def _forget_idle(self, accounts: list[Account]) -> None:
        for account in accounts:
            if account.pending == 0:
                self.busy.pop(account.number, None)
                if account.pending:  # an event came just now
                    self.busy[account.number] = account

    def _notify_all(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for waiter in [each for waiting in waiters.values() for each in waiting]:
            waiter.notify()

    def _notify(self, account: Account | None, entries: Sequence[Entry]) -> None:
        """Those who wait for events of that account, or of all, wait for fewer."""
        for waiter in self._waiters.get(account, [])[:]:
            settled = sum(1 for entry in entries if entry[0] <= waiter.last)
            waiter.remaining -= settled
            if waiter.remaining <= 0:
                self._remove(waiter)
                waiter.notify()

    def _remove(self, waiter: Waiter) -> None:
        waiting = self._waiters.get(waiter.account, [])
        if waiter in waiting:
            waiting.remove(waiter)
        if not waiting:
            self._waiters.pop(waiter.account, None)


WORDS = {
    Reason.QUEUE_FULL: "too many events were pending",
    Reason.GAVE_UP: "the service could not be reached in time",
    Reason.TOO_LARGE: "the event is larger than max_batch_bytes",
    Reason.SHUTDOWN: "the program or client ended before it was sent",
    Reason.CLOSED: "the client was closed",
    Reason.UNENCODABLE: "the event could not be encoded",
    Reason.BEFORE_SEND_FAILED: "before_send failed",
    Reason.SENDER_FAILED: "the sender failed",
    Reason.SPOOL_FULL: "the spool was full",
    Reason.SPOOL_EXPIRED: "the event was in the spool for too long",
    Reason.SPOOL_CORRUPT: "the spool could not be read",
}
