"""The bounded queue between the callers of a client and its one sender.

A ``queue.Queue`` whose bound counts what is *pending*, in events and in bytes, wherever on its way it is; whose items
are taken many at a time; and whose sender is woken when it has something to do, not at each event.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable

from ..delivery.ledger import Ledger, Record
from ..delivery.outbox import NEVER


class Intake(queue.Queue[Record]):
    """The queue, and under its lock the ledger.

    :param max_events: how many events may be pending.
    :param max_bytes: how many bytes of memory, about, they may hold.
    :param wake: wakes the sender; called with the lock held.
    :param ledger: in a forked child, the ledger to go on with.
    """

    def __init__(
        self, max_events: int, max_bytes: int, wake: Callable[[], object], ledger: Ledger | None = None
    ) -> None:
        super().__init__(max_events)
        self._max_bytes = max_bytes
        self._wake = wake
        self._wake_at = NEVER
        if ledger is None:
            ledger = Ledger(self.mutex)
        else:
            ledger.reset(self.mutex)
        self.ledger = ledger

    def _init(self, maxsize: int) -> None:
        self._items: deque[Record] = deque()

    def _qsize(self) -> int:
        return self.ledger.total.pending if self.ledger.held < self._max_bytes else self.maxsize

    def _put(self, item: Record) -> None:
        self.ledger.accept(item)
        self._items.append(item)
        if len(self._items) >= self._wake_at:
            self._wake_at = NEVER
            self._wake()

    def draw(self, max_events: int, max_bytes: int) -> list[Record]:
        """Take the oldest events out: so many at most, of so many bytes at most, but one where there is one."""
        drawn: list[Record] = []
        with self.mutex:
            while self._items and len(drawn) < max_events and (max_bytes > 0 or not drawn):
                drawn.append(self._items.popleft())
                max_bytes -= drawn[-1].size
        return drawn

    def arm(self, count: int) -> bool:
        """Ask to be woken when that many events wait; False where so many do already."""
        with self.mutex:
            waits = len(self._items) < count
            self._wake_at = count if waits else NEVER
            return waits

    def freed(self) -> None:
        """Events were settled: those who wait for room may look again."""
        with self.not_full:
            self.not_full.notify_all()
