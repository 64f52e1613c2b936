"""The bounded queue between the callers of a client and its one sender.

Its bound counts what is *pending*, in events and in bytes, wherever on its way it is; the sender takes many events at a
time, and is woken when it has something to do, not at each event. That is why it is no ``queue.Queue``, whose lock one
would have to reach into for each of the three, and which green-thread libraries replace by classes without one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..delivery.ledger import Ledger, Record
from ..delivery.outbox import NEVER


class Intake:
    """The queue, and under its lock the ledger.

    :param max_events: how many events may be pending.
    :param max_bytes: how many bytes of memory, about, they may hold.
    :param wake: wakes the sender; called with the lock held.
    :param ledger: in a forked child, the ledger to go on with.
    """

    def __init__(
        self, max_events: int, max_bytes: int, wake: Callable[[], object], ledger: Ledger | None = None
    ) -> None:
        self.lock = threading.RLock()  # a signal handler or a finalizer may track while its thread holds it
        self._room = threading.Condition(self.lock)
        self._items: deque[Record] = deque()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._wake = wake
        self._wake_count = NEVER
        if ledger is None:
            ledger = Ledger(self.lock)
        else:
            ledger.reset(self.lock)
        self.ledger = ledger

    def put(self, record: Record) -> bool:
        """Accept an event, if there is room."""
        with self.lock:
            ledger = self.ledger
            if ledger.pending >= self._max_events or ledger.held >= self._max_bytes:
                return False
            # No call stands between these lines: an interrupt comes before all of them or after.
            total = ledger.total
            total.accepted = record.number = total.accepted + 1
            record.account.accepted += 1
            ledger.pending += 1
            ledger.held += record.size
            self._items.append(record)
            if len(self._items) >= self._wake_count:
                self._wake_count = NEVER
                self._wake()
            return True

    def put_within(self, record: Record, seconds: float) -> bool:
        """Accept an event as soon as there is room; False where there is none in time."""
        with self._room:
            return self._room.wait_for(lambda: self.put(record), seconds)

    def pop_many(self, max_events: int, max_bytes: int) -> list[Record]:
        """Take the oldest events out: so many at most, of so many bytes at most, but one where there is one."""
        popped: list[Record] = []
        with self.lock:
            while self._items and len(popped) < max_events and (max_bytes > 0 or not popped):
                popped.append(self._items.popleft())
                max_bytes -= popped[-1].size
        return popped

    def evict(self) -> list[Record]:
        """Take out as many of the oldest events as stand in the way of another."""
        taken: list[Record] = []
        with self.lock:
            pending, held = self.ledger.pending, self.ledger.held
            while self._items and (pending >= self._max_events or held >= self._max_bytes):
                taken.append(self._items.popleft())
                pending -= 1
                held -= taken[-1].size
        return taken

    def wake_at(self, count: int) -> bool:
        """Ask to be woken when that many events wait; False where so many do already."""
        with self.lock:
            waits = len(self._items) < count
            self._wake_count = count if waits else NEVER
            return waits

    def is_held_here(self) -> bool:
        """Whether this thread is in the midst of a step on the queue: a signal handler or a finalizer asks."""
        lock: Any = self.lock
        return bool(lock._is_owned())  # threading.Condition asks so, too

    def notify_room(self) -> None:
        """Events were settled: those who wait for room may look again."""
        with self._room:
            self._room.notify_all()
