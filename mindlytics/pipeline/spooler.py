"""The spooler: a daemon thread that moves events from the queue to the log on disk, from which the sender takes them.

It applies ``before_send`` and ``content_mode``, so events are filtered before they touch the disk. What the disk
refuses stays in memory and is delivered from there. ``own_run.py`` knows the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..delivery.account import Entry, Reason
from ..delivery.batcher import Batch
from ..delivery.outbox import NEVER, Outbox
from ..delivery.verdict import Verdict
from ..settings import Settings
from ..spool.directory import Directory
from ..spool.run import Log
from .durable import DurableIntake
from .logged import has_expired, note_posted, parted, places_of
from .own_run import OwnRun
from .waiting import WakeUp, clock

logger: logging.Logger = logging.getLogger("mindlytics")

CHUNK_EVENTS = 1000
CHUNK_BYTES = 512 * 1024
"""Most events that are written at once, and most bytes of memory that they hold."""
ERROR_WAIT = 1.0
"""Seconds before the spooler resumes after an error of our own."""
LONGEST_REST = 60.0
"""Seconds between two looks at the queue if nothing wakes the thread."""


class Spooler:
    """Stands between the queue and the outbox if there is a spool.

    :param intake: the queue.
    :param outbox: returns the outbox, and makes it on first use.
    :param wake_sender: wakes the sender.
    :param room_made: wakes those who wait for room in the queue.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        intake: DurableIntake,
        *,
        outbox: Callable[[], Outbox],
        wake_sender: Callable[[], object],
        room_made: Callable[[], object],
    ) -> None:
        self.run = OwnRun(settings, directory, intake)
        self._settings = settings
        self._intake = intake
        self._ledger = intake.ledger
        self._outbox = outbox
        self._wake_sender = wake_sender
        self._room_made = room_made
        self._held: deque[Any] = deque()
        """Entries that are to be written, with the tail of the porch after each."""
        self._lock = threading.RLock()
        self._is_carrying = False
        self._sync_at: float | None = None
        self._wanted = NEVER
        self._thread: threading.Thread | None = None
        self._wake = WakeUp()
        self._stopping = threading.Event()

    # -- the thread

    def start(self) -> None:
        """Start the thread unless it runs."""
        if self._thread is None or not self._thread.is_alive() or self._stopping.is_set():
            self._stopping, self._wake = threading.Event(), WakeUp()  # green ones where threads are
            self._thread = threading.Thread(
                target=self._work, args=(self._stopping,), name="mindlytics-spooler", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the thread once the queue is empty."""
        self._stopping.set()
        self._wake.set()

    def is_own_thread(self) -> bool:
        """Whether the caller runs on the spooler's thread, as ``before_send`` does."""
        return threading.current_thread() is self._thread

    def wake(self) -> None:
        """Wake the thread, since an event waits in the queue."""
        self._wake.set()

    def _work(self, stopping: threading.Event) -> None:
        while True:
            self._wake.clear()
            is_last = stopping.is_set()
            try:
                self.carry()
                self._sync_if_due()
            except Exception:
                logger.exception("the spooler failed; restarting it")
                stopping.wait(ERROR_WAIT)
            if is_last:
                break
            if self._held or self._intake.wake_at(1):
                self._wake.wait(self._rest())

    def _rest(self) -> float:
        until = self._sync_at if self._sync_at is not None else clock() + LONGEST_REST
        if self._held:
            until = min(until, max(self.run.down_until, clock() + ERROR_WAIT))
        return max(0.0, until - clock())

    # -- to the disk

    def carry(self) -> None:
        """Write the queued events to the log. Any thread may call it."""
        with self._lock:
            if self._is_carrying:  # a signal handler or a hook came in between
                return
            self._is_carrying = True
            try:
                while self._fill() and self._store():
                    pass
            finally:
                self._is_carrying = False

    def _fill(self) -> bool:
        """Prepare the next events for writing. Returns whether there are any."""
        while not self._held:
            popped = self._intake.pop_many(CHUNK_EVENTS, CHUNK_BYTES)
            if not popped:
                return False
            outbox = self._outbox()
            if outbox.are_ready(popped):
                self._held.extend(popped)
                continue
            for entry in popped:
                data = outbox.ready(entry)
                if data is not None:
                    self._held.append((*entry[:3], data, *entry[4:]))
        return True

    def _store(self) -> bool:
        """Write the prepared events. Returns False if they stay in memory."""
        entries = list(self._held)
        if not self.run.append(entries, lambda: self._written(entries)):
            self._wake_sender()
            return False
        self._held.clear()
        self._room_made()
        if self._sync_at is None and self._settings.spool_sync > 0:
            self._sync_at = clock() + self._settings.spool_sync
        if self._wanted <= self._available():
            self._wanted = NEVER
            self._wake_sender()
        return True

    def _written(self, entries: list[Any]) -> None:
        self._ledger.spooled(entries)
        self._intake.carried(entries[-1])

    def open_porch(self) -> None:
        """Make the run and its porch, for the first event."""
        with self._lock:
            if not self._is_carrying and not self._intake.is_opened:
                self._is_carrying = True
                try:
                    self.run.open_porch()
                finally:
                    self._is_carrying, self._intake.is_opened = False, True  # only now: other threads wait for it

    def _sync_if_due(self) -> None:
        if self._sync_at is not None and clock() >= self._sync_at:
            self._sync_at = None
            self.run.sync()

    # -- for the sender, which calls these instead of the queue's methods

    def _available(self) -> int:
        """How many events the sender can take."""
        log = self.run.log
        on_disk = 0 if log is None else log.unread
        return on_disk or (len(self._held) if self._serves_memory() else 0)

    def _serves_memory(self) -> bool:
        """Whether to deliver events from memory that could not be written. Those on disk go first."""
        return (self.run.is_down or self.run.is_full) and (self.run.log is None or self.run.log.is_settled)

    def wake_at(self, count: int) -> bool:
        """Ask for a wake-up when that many events wait. Returns False if so many wait already."""
        self._wanted = count
        if self._available() < count:
            return True
        self._wanted = NEVER
        return False

    def pop_many(self, max_events: int, max_bytes: int) -> list[Entry]:
        """Take out the oldest events: at most so many, of at most so many bytes, but at least one if there is one."""
        if self._thread is None or not self._thread.is_alive():
            self.carry()
        log = self.run.log
        if log is not None and log.unread:
            entries = self._read(log, max_events, max_bytes)
            if entries:
                return entries
            self._settled(log, [])
        popped: list[Entry] = []
        if self._serves_memory():
            with self._lock:
                while self._held and len(popped) < max_events and (max_bytes > 0 or not popped):
                    entry = self._held.popleft()
                    max_bytes -= entry[2]
                    popped.append(entry[:4])
                    self._intake.carried(entry)
            self._wake.set()
        return popped

    def _read(self, log: Log, max_events: int, max_bytes: int) -> list[Entry]:
        read: list[Entry] = list(log.read(max_events, max_bytes))
        entries, old = parted(log, read, self._settings.spool_max_age)
        if old:  # not always the first ones, since the clock may have been set
            self._ledger.dropped(old, Reason.SPOOL_EXPIRED)
            self._settled(log, places_of(old))
        return entries

    def begin(self, batch: Batch) -> None:
        """Note the bounds and the key of a batch before it is posted for the first time."""
        if self.run.log is not None:
            note_posted(self.run.log, batch, is_synced=self._settings.spool_sync == 0)

    def following(self, now: float) -> Batch | None:
        """The next batch, without lingering."""
        return self._outbox().next(now, NEVER)

    def put_back(self, batch: Batch) -> None:
        """Keep a batch after a failed attempt."""
        self._outbox().put_back(batch)

    def settle(self, batch: Batch, verdict: Verdict, now: float, where: str) -> None:
        """Act on the final verdict on a batch."""
        if self._outbox().settle(batch, verdict, now, where):
            self._note_settled(batch)

    def set_apart(self, batch: Batch, verdict: Verdict, where: str) -> None:
        """Halve a batch that the service fails at while it takes others, or drop its only event."""
        if self._outbox().set_apart(batch, verdict, where):
            self._note_settled(batch)

    def expire(self, batch: Batch) -> bool:
        """Drop a batch that became too old while it was retried. Returns whether it did."""
        if self.run.log is None or not has_expired(self.run.log, batch, self._settings.spool_max_age):
            return False
        self._ledger.dropped(batch.entries, Reason.SPOOL_EXPIRED)
        self._note_settled(batch)
        return True

    def _note_settled(self, batch: Batch) -> None:
        if self.run.log is not None:
            self._settled(self.run.log, places_of(batch.entries))

    def _settled(self, log: Log, places: list[int]) -> None:
        log.settle(places, time.time())
        if log.is_settled and log.missing:
            with self._lock:
                if log.is_settled:
                    self._ledger.spool_lost()
                    log.forget_missing()
        if self._held:
            self._wake.set()

    # -- the end

    def end(self, *, is_exit: bool) -> None:
        """Write everything that can be written to disk, and close the run.

        :param is_exit: the process ends now.
        """
        self.run.down_until = 0.0
        self.carry()
        self.run.sync()
        with self._lock:
            self.run.close(is_exit=is_exit)
