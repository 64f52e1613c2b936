"""The spooler: a daemon thread that moves events from the queue to the log on disk, from which the sender takes them.

If the disk refuses, events stay in memory and are delivered from there, and the disk is tried again. This thread
applies ``before_send`` and ``content_mode``, so events are filtered before they touch the disk.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import fields

from ..delivery.account import Entry, Reason
from ..delivery.batcher import Batch
from ..delivery.ledger import Ledger
from ..delivery.outbox import NEVER, Outbox
from ..delivery.verdict import Verdict
from ..errors import InvalidSetting
from ..setting_rules import label
from ..settings import Settings
from ..spool.directory import Directory, Origin, Unusable
from ..spool.porch import Porch
from ..spool.run import SEGMENT_BYTES, Log
from .durable import DurableIntake, NoPorch
from .logged import expired, has_expired, note_posted, places_of
from .waiting import WakeUp, clock

logger: logging.Logger = logging.getLogger("mindlytics")

CHUNK_EVENTS = 1000
CHUNK_BYTES = 512 * 1024
"""Most events that are written at once, and most bytes of memory that they hold."""
TRY_AGAIN = 5.0
"""Seconds before a disk that refused is tried again, and between two checks of its free space."""
ERROR_WAIT = 1.0
"""Seconds before the spooler resumes after an error of our own."""
LONGEST_REST = 60.0
"""Seconds between two looks at the queue if nothing wakes the thread."""

_said: set[str] = set()


class Spooler:
    """Stands between the queue and the outbox if there is a spool.

    :param outbox: returns the outbox, and makes it on first use.
    :param wake_sender: wakes the sender.
    :param room_made: wakes those who wait for room in the queue.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        ledger: Ledger,
        *,
        outbox: Callable[[], Outbox],
        wake_sender: Callable[[], object],
        room_made: Callable[[], object],
    ) -> None:
        self.directory = directory
        self.intake: DurableIntake
        self.is_full: bool = False
        """Whether the disk lacks room for the events that wait in memory."""
        self._settings = settings
        self._ledger = ledger
        self._outbox = outbox
        self._wake_sender = wake_sender
        self._room_made = room_made
        self._log: Log | None = None
        self._held: deque[Any] = deque()
        """Entries that are to be written, with the tail of the porch after each."""
        self._lock = threading.RLock()
        self._is_carrying = False
        self._down_until = 0.0
        self._is_down = False
        self._looked_at = -TRY_AGAIN
        self._others_bytes = 0
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
            if self._held or self.intake.wake_at(1):
                self._wake.wait(self._rest())

    def _rest(self) -> float:
        until = self._sync_at if self._sync_at is not None else clock() + LONGEST_REST
        if self._held:
            until = min(until, max(self._down_until, clock() + ERROR_WAIT))
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
            popped = self.intake.pop_many(CHUNK_EVENTS, CHUNK_BYTES)
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
        if clock() < self._down_until:
            self._wake_sender()
            return False
        try:
            stored = self._append(entries)
        except (OSError, Unusable) as error:
            self._went_wrong(error)
            stored = False
        if not stored:
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

    def _append(self, entries: list[Any]) -> bool:
        """Append to the log, which is made on first use. Returns False if there is no room."""
        now = clock()
        is_to_look = now - self._looked_at >= TRY_AGAIN or self.is_full or self._is_down
        if self._log is not None and is_to_look and not self._log.is_there:
            if not self._log.is_settled:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self.directory.let_go(self._log)
            self._log = None
        if self._log is None:
            self._begin()
            is_to_look = True
        assert self._log is not None
        if is_to_look:
            self._looked_at = now
            self._others_bytes = self.directory.bytes_of_others()
            self.is_full = self.directory.is_disk_full()
        records = [(account, number, data) for number, account, _, data, _ in entries]
        size = sum([len(data) for _, _, data in records])
        if self.is_full or self._others_bytes + self._log.size + size > self._settings.spool_max_bytes:
            self.is_full = True
            return False
        self._log.append(records, time.time(), lambda: self._written(entries))
        if self._is_down:
            self._is_down = False
            logger.info("the spool works again")
        return True

    def _written(self, entries: list[Any]) -> None:
        self._ledger.spooled(entries)
        self._carried(entries[-1])

    def _carried(self, entry: Any) -> None:
        """Free the room of this event, and of all before it, on the porch."""
        self.intake.porch.carried(entry[0], entry[4])
        self.intake.is_stuck = False

    # -- the run and its porch

    def open_porch(self) -> None:
        """Begin the run and its porch, for the first event."""
        with self._lock:
            if not self._is_carrying and not self.intake.is_opened:
                self._is_carrying = True
                try:
                    if self._log is None:
                        self._begin()
                    else:
                        self._make_porch(self._log)
                except (OSError, Unusable) as error:
                    self._went_wrong(error)
                finally:
                    self._is_carrying, self.intake.is_opened = False, True  # only now: other threads wait for it

    def _begin(self) -> None:
        self._log = self.directory.begin()
        self._make_porch(self._log)

    def _make_porch(self, log: Log) -> None:
        former = self.intake.porch
        if self._settings.before_send is None:  # it has to see events before anything is written
            try:
                self.intake.porch = Porch(log.path)
            except OSError as error:
                self.intake.porch = NoPorch()
                _say_once(f"there is no shared memory ({error.strerror or error}): a kill may lose the latest events")
        self.intake.is_opened, self.intake.is_stuck = True, False
        former.remove()

    def leave(self) -> None:
        """In a forked child: all of this is the parent's."""
        self.directory.close_in_child()
        self.intake.porch.leave()

    def _went_wrong(self, error: Exception) -> None:
        self._down_until = clock() + TRY_AGAIN
        if not self._is_down:
            self._is_down = True
            why = getattr(error, "strerror", None) or str(error)
            logger.warning("the spool %s cannot be written (%s); events stay in memory", self.directory.spool, why)

    def _sync_if_due(self) -> None:
        if self._sync_at is not None and clock() >= self._sync_at:
            self._sync_at = None
            self.sync()

    def sync(self) -> None:
        """Sync what was written to the disk."""
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.sync()

    # -- for the sender, which calls these instead of the queue's methods

    def _available(self) -> int:
        """How many events the sender can take."""
        log = self._log
        on_disk = 0 if log is None else log.unread
        return on_disk or (len(self._held) if self._serves_memory() else 0)

    def _serves_memory(self) -> bool:
        """Whether to deliver events from memory that could not be written. Those on disk go first."""
        return (self._is_down or self.is_full) and (self._log is None or self._log.is_settled)

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
        log = self._log
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
                    self._carried(entry)
            self._wake.set()
        return popped

    def _read(self, log: Log, max_events: int, max_bytes: int) -> list[Entry]:
        entries: list[Entry] = list(log.read(max_events, max_bytes))
        old = expired(log, entries, self._settings.spool_max_age)
        if old:  # not always the first ones, since the clock may have been set
            self._ledger.dropped(old, Reason.SPOOL_EXPIRED)
            self._settled(log, places_of(old))
            gone = set(old)
            entries = [entry for entry in entries if entry not in gone]
        return entries

    def begin(self, batch: Batch) -> None:
        """Note the bounds and the key of a batch before it is posted for the first time."""
        if self._log is not None:
            note_posted(self._log, batch, is_synced=self._settings.spool_sync == 0)

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
        if self._log is None or not has_expired(self._log, batch, self._settings.spool_max_age):
            return False
        self._ledger.dropped(batch.entries, Reason.SPOOL_EXPIRED)
        self._note_settled(batch)
        return True

    def _note_settled(self, batch: Batch) -> None:
        if self._log is not None:
            self._settled(self._log, places_of(batch.entries))

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
        """Write everything that can be written to disk, and close the log.

        :param is_exit: the process ends now, which releases its lock.
        """
        self._down_until = 0.0
        self.carry()
        self.sync()
        with self._lock:
            former, self.intake.porch, self.intake.is_opened = self.intake.porch, NoPorch(), False
            former.remove()
            if self._log is not None and (self._log.is_settled or not is_exit):
                self.directory.let_go(self._log)
                self._log = None


def _say_once(words: str) -> None:
    if words not in _said:
        _said.add(words)
        logger.warning("%s", words)


def origin_of(settings: Settings) -> Origin:
    """The origin of a client's events."""
    return Origin.of(settings.service, settings.server_endpoint, settings.project_id, settings.api_key.reveal())


def open_directory(settings: Settings) -> Directory:
    """The directory of a client's runs, made if it is missing.

    :raises InvalidSetting: it can never work.
    """
    assert settings.spool is not None
    segment_bytes = min(SEGMENT_BYTES, settings.spool_max_bytes // 8)
    directory = Directory(Path(settings.spool), origin_of(settings), segment_bytes)
    try:
        directory.prepare()
        directory.remove_stale()
    except Unusable as error:
        name = label(fields(Settings).spool)
        raise InvalidSetting(f"{name}: {settings.spool} cannot be used: {error}") from None
    except OSError:  # it may pass; the spooler logs it and tries again
        pass
    return directory
