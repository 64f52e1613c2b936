"""The account of every event: accepted = delivered + refused + dropped + pending, at every moment.

Accepting an event takes no lock (see ``pipeline/intake.py``). It only adds to ``accepted`` and ``held_in``. Everything
that settles events runs under one re-entrant lock, since a finalizer or a signal handler may record an event at any
point. For the same reason, a count is read and written without a call in between: the handler could run in that call,
and its own change would be overwritten. Pending is the difference, so the account always adds up. This file counts what
became of events. Why a batch failed is for ``reply.py``.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from weakref import WeakSet

from attrs import define

from ..errors import DeliveryError
from .account import Account, APIResponse, Entry, FlushResult, Reason, Stats

MAX_ERRORS = 100
"""Most losses that an account lists one by one. It counts all of them."""


@define(eq=False, repr=False)
class Waiter:
    """Waits until all events accepted so far, of an account or of all, are settled."""

    account: Account | None
    notify: Callable[[], object]
    last: int = 0
    remaining: int = 2**62


class Ledger:
    """What became of every event that a pipeline accepted.

    :param lock: a re-entrant lock, which guards everything that settles events.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self.lock: AbstractContextManager[object] = lock
        self.total: Account = Account()
        self.held_in: int = 0
        """Bytes of memory, roughly, of all events ever accepted."""
        self.held_out: int = 0
        """Bytes of memory, roughly, of those that are settled."""
        self.busy: dict[int, Account] = {}
        """The accounts with pending events, by number. One whose events are settled may stay briefly."""
        self.last_cause: str = ""
        """Where and why attempts fail, until one succeeds. Safe to log."""
        self._last_loss = ""
        self._accounts: WeakSet[Account] = WeakSet()
        self._given_up = 0
        """Events up to this number are settled. Later outcomes from the sender are ignored."""
        self._waiters: dict[Account | None, list[Waiter]] = {}
        self._losses: dict[tuple[Account, str, int, str], int] = {}

    def open_account(self) -> Account:
        """Open an account for a session."""
        account = Account()
        self._accounts.add(account)
        return account

    @property
    def pending(self) -> int:
        """How many events are accepted and unsettled."""
        return self.total.pending

    def delivered(self, entries: Sequence[Entry]) -> None:
        """Count events that the service acknowledged."""
        with self.lock:
            entries = self._open(entries)
            counts = self._by_account(entries)
            for account, count in counts:
                account.delivered += count
                self.total.delivered += count
            self._settled(entries, counts)

    def refused(self, entries: Sequence[Entry], status: int, message: str) -> None:
        """Count events that the service refused for good."""
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
        """Count events that are dropped on this side."""
        with self.lock:
            entries = self._open(entries)
            counts = self._by_account(entries)
            for account, count in counts:
                self._drop(account, count, reason, status, message)
            self._settled(entries, counts)

    def dropped_at_once(self, account: Account, reason: Reason) -> None:
        """Count an event that is dropped before it is queued."""
        with self.lock:
            self.total.accepted += 1
            account.accepted += 1
            self._drop(account, 1, reason, 0, "")

    def dropped_unseen(self, count: int, reason: Reason) -> None:
        """Drop so many accepted events of unknown accounts."""
        with self.lock:
            self._drop(self.total, count, reason, 0, "")

    def give_up(self, reason: Reason, message: str) -> None:
        """Drop everything pending, in the queue or with the sender, except what is on disk.

        Later outcomes from the sender are ignored. Call it while the intake stands still.
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
        """Count events that moved from memory to disk."""
        with self.lock:
            for account, count in self._by_account(entries):
                account.spooled += count
                self.total.spooled += count
            size = sum([entry[2] for entry in entries])
            self.held_out += size

    def spool_lost(self) -> None:
        """Drop all events on disk, since they could not be read back."""
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
        """Move the outcomes of another ledger, of events from an earlier process, into this one's total."""
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
        """Whether a flush or close waits for events to be settled."""
        return bool(self._waiters)

    def wait(self, account: Account | None, notify: Callable[[], object]) -> Waiter | None:
        """A waiter for everything pending now, or None if nothing is, or all of it was given up and stays on disk.

        :param notify: called with the lock held.
        """
        counts = account or self.total
        with self.lock:
            waiter = Waiter(account, notify)
            self._waiters.setdefault(account, []).append(waiter)
            # The waiter is registered by now, so nothing settled from here on is missed. These two lines make no call,
            # so no interrupt comes between them.
            waiter.last = self.total.accepted
            waiter.remaining = counts.accepted - counts.delivered - counts.refused - counts.dropped
            if waiter.remaining > 0 and waiter.last > self._given_up:
                return waiter
            self._remove(waiter)
            return None

    def cancel(self, waiter: Waiter) -> None:
        """Remove a waiter."""
        with self.lock:
            self._remove(waiter)

    @property
    def lost(self) -> int:
        """How many events were lost, or are still pending in memory."""
        with self.lock:
            losses = sum(count for reason, count in self.total.reasons.items() if reason.is_loss)
            return losses + self.total.refused + self.total.pending - self.total.spooled

    @property
    def why_lost(self) -> str:
        """Why events were lost. Safe to log."""
        return self.last_cause or self._last_loss

    def stats(self, account: Account | None = None) -> Stats:
        """The account now."""
        with self.lock:
            it = account or self.total
            reasons = {reason.value: count for reason, count in it.reasons.items()}
            settled, accepted = it.delivered + it.refused + it.dropped, it.accepted
            counts = accepted, it.delivered, it.refused, it.dropped, accepted - settled
            return Stats(*counts, reasons, it.recovered, it.spooled)

    def result(self, account: Account | None = None) -> FlushResult:
        """The account now, as a flush returns it."""
        stats = self.stats(account)
        return FlushResult(stats.delivered, stats.refused, stats.dropped, stats.pending)

    def errors(self, account: Account | None = None) -> list[APIResponse]:
        """The losses that the account remembers, oldest first."""
        with self.lock:
            return list((account or self.total).errors or ())

    def take_losses(self) -> list[tuple[Account, DeliveryError]]:
        """The losses since the last call, for the error handlers."""
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
        """Whether there are losses for :meth:`take_losses`."""
        return bool(self._losses)

    def reset(self, lock: AbstractContextManager[object]) -> None:
        """Start at zero in a forked child, with its own lock."""
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
        """Leave out the events that were given up."""
        if not self._given_up:
            return entries
        return [entry for entry in entries if entry[0] > self._given_up or entry[2] < 0]

    def _by_account(self, entries: Sequence[Entry]) -> list[tuple[Account, int]]:
        """Their accounts, and how many events each has."""
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
        """Finish settling events. ``counts`` was made before, since an interrupt may settle the rest of an account,
        which is then no longer in ``busy``.
        """
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
        """Count settled events off for the waiters of an account, or of all."""
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
