"""The bounded queue between the callers of a client and its one sender.

It is a ``queue.SimpleQueue``, since only that one's ``put`` may be interrupted by a signal handler or finalizer that
records an event itself. Callers take no lock. Accepting an event is a few lines without a call or a jump between them,
and CPython, from 3.10 on, switches threads and runs signal handlers only at calls and jumps. Builds without the global
lock run threads in parallel, so there those lines take a lock. The bound counts all *pending* events in memory, in
events and in bytes, from acceptance to settlement.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..delivery.account import Account, Entry
from ..delivery.ledger import Ledger
from ..delivery.outbox import NEVER

if TYPE_CHECKING:
    from ..events import AnyEvent

IS_LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether the interpreter has its global lock."""


Put = TypeVar("Put", bound=Callable[..., int])


def exclusive(put: Put) -> Put:
    """Let a ``put`` run on one thread at a time. With the global lock it does so already."""
    if IS_LOCKED:
        return put

    def put_with_lock(self: Intake, payload: bytes | AnyEvent, size: int, account: Account) -> int:
        with self.ledger.lock:
            return put(self, payload, size, account)

    return cast(Put, put_with_lock)


class Intake:
    """The queue, and its bound.

    :param max_events: most events that may be pending.
    :param max_bytes: most bytes of memory, roughly, that they may hold.
    :param wake: wakes the sender.
    :param ledger: in a forked child, the parent's ledger, to reset and use.
    """

    def __init__(
        self, max_events: int, max_bytes: int, wake: Callable[[], object], ledger: Ledger | None = None
    ) -> None:
        lock = threading.RLock()
        if ledger is None:
            ledger = Ledger(lock)
        else:
            ledger.reset(lock)
        self.ledger = ledger
        self._total = ledger.total
        self._queue: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self._put, self._qsize = self._queue.put, self._queue.qsize
        self._room = threading.Condition()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._wake = wake
        self._wake_count = NEVER

    @exclusive
    def put(self, payload: bytes | AnyEvent, size: int, account: Account) -> int:
        """Accept an event, if there is room.

        :param size: the bytes of memory, roughly, that it holds.
        :returns: its sequence number, from 1, or 0 if there is no room.
        """
        total, ledger = self._total, self.ledger
        number = total.accepted + 1
        entry = (number, account.number, size, payload)  # may collect garbage, and run finalizers here
        if (
            total.accepted - total.delivered - total.refused - total.dropped - total.spooled >= self._max_events
            or ledger.held_in - ledger.held_out >= self._max_bytes
        ):
            return 0
        if total.accepted + 1 == number:
            # From that comparison on, these lines make no call and no jump (CPython 3.10 checks for interrupts at each
            # jump). So another thread or an interrupt comes before all of them or after.
            total.accepted = number
            account.accepted += 1
            ledger.held_in += size
            ledger.busy[account.number] = account
            self._put(entry)
            if self._wake_count <= self._qsize():
                self._wake_count = NEVER
                self._wake()
            return number
        return self.put(payload, size, account)

    def put_within(self, payload: bytes | AnyEvent, size: int, account: Account, seconds: float) -> int:
        """Accept an event as soon as there is room. Returns 0 if there is none in time."""
        number = 0

        def accepted() -> int:
            nonlocal number
            number = self.put(payload, size, account)
            return number

        with self._room:
            self._room.wait_for(accepted, seconds)
        return number

    def pop_many(self, max_events: int, max_bytes: int) -> list[Entry]:
        """Take out the oldest events: at most so many, of at most so many bytes, but at least one if there is one."""
        popped: list[Entry] = []
        get = self._queue.get_nowait
        try:
            while len(popped) < max_events and (max_bytes > 0 or not popped):
                popped.append(get())
                max_bytes -= popped[-1][2]
        except queue.Empty:
            pass
        return popped

    def evict(self) -> list[Entry]:
        """Take out the oldest events until there is room for one more. Call it with the ledger's lock held."""
        taken: list[Entry] = []
        pending, held = self._total.pending - self._total.spooled, self.ledger.held_in - self.ledger.held_out
        # Below 0 the intake stands still: evicting would not make room then.
        while self._max_events >= 0 and (pending >= self._max_events or held >= self._max_bytes):
            oldest = self.pop_many(1, 1)
            if not oldest:
                break
            taken += oldest
            pending -= 1
            held -= oldest[0][2]
        return taken

    def wake_at(self, count: int) -> bool:
        """Ask for a wake-up when that many events wait. Returns False if so many wait already."""
        self._wake_count = count
        if self._qsize() < count:
            return True
        self._wake_count = NEVER
        return False

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """A context in which nothing is accepted. Callers find no room, and then wait for the ledger's lock."""
        with self.ledger.lock:
            max_events, self._max_events = self._max_events, -1
            try:
                yield
            finally:
                self._max_events = max_events

    def is_held_here(self) -> bool:
        """Whether this thread holds a lock that the sender needs.

        A signal handler or finalizer asks before it waits for the sender, which would be a deadlock.
        """
        locks: tuple[Any, ...] = (self.ledger.lock, self._room)
        return any(lock._is_owned() for lock in locks)  # threading.Condition does the same

    def notify_room(self) -> None:
        """Wake those who wait for room, since events were settled."""
        with self._room:
            self._room.notify_all()
