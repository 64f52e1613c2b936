"""Takes over what dead processes left in the spool, run by run, and delivers it beside this process's own events.

Each run has its own outbox and account, so its batches never mix with others. The outcomes of its events are moved into
the pipeline's account as recovered. A batch that was posted before is posted again unchanged, under its key.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from attrs import define

from ..delivery.account import Account, Entry, Reason
from ..delivery.batcher import Batch
from ..delivery.ledger import Ledger
from ..delivery.outbox import NEVER, Outbox, Pop
from ..delivery.verdict import Fate, Verdict
from ..settings import Settings
from ..spool.directory import Directory
from ..spool.run import Log, Logged
from .attempts import Attempts, spent
from .logged import has_expired, note_posted, parted, places_of
from .suspects import FAULT_STATUSES, takes_another
from .waiting import clock

logger: logging.Logger = logging.getLogger("mindlytics")

SCAN_EVERY = 30.0
"""Seconds, roughly, between two searches for runs of dead processes."""
FIRST_PAUSE = 1.0
"""Longest pause after a failed attempt in seconds. It doubles each time, up to ``max_retry_wait``."""

NOW = float("-inf")


@define(eq=False)
class _Run:
    """A run that was taken over."""

    log: Log
    ledger: Ledger
    account: Account
    outbox: Outbox


class Leftovers:
    """The runs of dead processes. Only the sender calls these.

    :param ledger: receives the outcomes of their events.
    :param make_outbox: makes an outbox that counts in a ledger and takes events from a function.
    """

    def __init__(
        self, settings: Settings, directory: Directory, ledger: Ledger, make_outbox: Callable[[Ledger, Pop], Outbox]
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._ledger = ledger
        self._make_outbox = make_outbox
        self._run: _Run | None = None
        self._postponed: deque[_Run] = deque()
        """Runs that the service fails at. They come after the others."""
        self._found: deque[Path] = deque()
        self._scan_at = NOW
        self._paused_until = NOW
        self._pause = FIRST_PAUSE

    @property
    def is_at_work(self) -> bool:
        """Whether a run is being delivered."""
        return self._run is not None or bool(self._postponed)

    def send(self, attempts: Attempts, now: float) -> Verdict | None:
        """Make one attempt with the next batch. Returns None if none is due."""
        batch = self.next(now)
        if batch is None:
            return None
        try:
            if not batch.attempts:
                self.begin(batch)
            verdict = attempts.post(batch)
            is_doubtful = verdict.fate is Fate.RETRY and verdict.status in FAULT_STATUSES and self._lasts(batch)
            if is_doubtful and takes_another(attempts, batch, self):
                self.set_apart(batch, verdict, attempts.origin)
                return verdict
        except BaseException:
            self.put_back(batch)
            raise
        if is_doubtful:
            batch.is_suspect = False
        self.settle(batch, verdict, clock(), attempts.origin)
        if is_doubtful:
            self.postpone()  # if no batch follows it here, those of other runs show the fault
        return verdict

    def _lasts(self, batch: Batch) -> bool:
        """Whether a batch has failed for ``retry_for`` seconds, or is a suspect."""
        return batch.is_suspect or spent(batch) > self._settings.retry_for

    def next(self, now: float) -> Batch | None:
        """The next batch, if there is one and no pause."""
        if now < self._paused_until:
            return None
        while (run := self._run or self._take_over(now) or self._resumed()) is not None:
            self._run = run
            batch = self._next_of(run, now)
            if batch is not None:
                return batch
            if run.log.unread or not run.outbox.is_empty:  # the service asked for a pause
                return None
            self._finish(run)
        return None

    def due(self) -> float:
        """When to call :meth:`next` again."""
        return max(self._paused_until, NOW if self.is_at_work or self._found else self._scan_at)

    def following(self, now: float) -> Batch | None:
        """The next batch of the current run."""
        return None if self._run is None else self._next_of(self._run, now)

    def begin(self, batch: Batch) -> None:
        """Note in the log that a batch is about to be posted."""
        if self._run is not None:
            note_posted(self._run.log, batch, is_synced=self._settings.spool_sync == 0)

    def put_back(self, batch: Batch) -> None:
        """Keep a batch after a failed attempt."""
        if self._run is not None:
            self._run.outbox.put_back(batch)

    def settle(self, batch: Batch, verdict: Verdict, now: float, where: str) -> None:
        """Act on the verdict on a batch. After a failed attempt, pause."""
        run = self._run
        if run is None:
            return
        if verdict.fate in (Fate.RETRY, Fate.TIME_UP):
            if not self._expire(run, batch):
                run.outbox.put_back(batch)
            longest = self._settings.max_retry_wait
            pause = max(random.uniform(0.5, 1.0) * min(self._pause, longest), min(verdict.wait or 0.0, longest))
            self._paused_until = now + (0.0 if verdict.stale else pause)
            self._pause = min(longest, 2 * self._pause)
            return
        self._pause = FIRST_PAUSE
        if run.outbox.settle(batch, verdict, now, where):
            self._note_settled(run, batch)
        self._ledger.absorb(run.ledger)

    def set_apart(self, batch: Batch, verdict: Verdict, where: str) -> None:
        """Halve a batch that the service fails at while it takes others, or drop its only event."""
        run = self._run
        if run is not None and run.outbox.set_apart(batch, verdict, where):
            self._note_settled(run, batch)
            self._ledger.absorb(run.ledger)

    def postpone(self) -> None:
        """Put the current run behind the others, since the service fails at it."""
        if self._run is not None:
            self._postponed.append(self._run)
            self._run = None

    def _expire(self, run: _Run, batch: Batch) -> bool:
        """Drop a batch that became too old while it was retried. Returns whether it did."""
        if not has_expired(run.log, batch, self._settings.spool_max_age):
            return False
        run.ledger.dropped(batch.entries, Reason.SPOOL_EXPIRED)
        self._note_settled(run, batch)
        self._ledger.absorb(run.ledger)
        return True

    def _note_settled(self, run: _Run, batch: Batch) -> None:
        run.log.settle(places_of(batch.entries), time.time())

    def let_go(self) -> None:
        """Release the current run for others."""
        self.postpone()
        for run in self._postponed:
            self._directory.let_go(run.log)
        self._postponed.clear()
        self._found.clear()
        self._scan_at = NOW

    # -- runs

    def _take_over(self, now: float) -> _Run | None:
        """Take over the oldest run of a dead process. Returns None if there is none, or until the next search is
        due.
        """
        if not self._found:
            if now < self._scan_at:
                return None
            self._scan_at = now + SCAN_EVERY * random.uniform(0.75, 1.25)
            self._found.extend(self._directory.others())
            self._directory.empty_porches(list(self._found)[1:], self._settings.spool_max_bytes)
        while self._found:
            with contextlib.suppress(OSError):
                log = self._directory.take(self._found.popleft())
                if log is not None:
                    return self._made(log)
        return None

    def _resumed(self) -> _Run | None:
        return self._postponed.popleft() if self._postponed else None

    def _made(self, log: Log) -> _Run:
        ledger = Ledger(threading.RLock())
        account = ledger.open_account()
        run = _Run(log, ledger, account, self._make_outbox(ledger, lambda *limits: self._pop(run, *limits)))
        if not log.is_settled:
            logger.info("taking over events of an earlier process")
        return run

    def _next_of(self, run: _Run, now: float) -> Batch | None:
        if run.outbox.is_empty:
            posted = run.log.posted_at(run.log.peek())
            if posted is not None:
                entries = self._entries(run, run.log.read(NEVER, NEVER, posted.last), is_batch=True)
                if entries:  # of a damaged batch the rest, since the service may know all of it by the key
                    run.outbox.put_back(Batch(entries, bare=posted.bare, key=posted.key))
        return run.outbox.next(now, NEVER)

    def _pop(self, run: _Run, max_events: int, max_bytes: int) -> list[Entry]:
        """The next events, up to the next batch that was posted before."""
        place = run.log.peek()
        if place is None or run.log.posted_at(place) is not None:
            return []
        up_to = min((first for first in run.log.posted if first > place), default=NEVER) - 1
        return self._entries(run, run.log.read(max_events, max_bytes, up_to))

    def _entries(self, run: _Run, found: list[Logged], *, is_batch: bool = False) -> list[Entry]:
        """Count events in, and drop those that are too old. A batch that was posted is kept or dropped as a whole."""
        account, total = run.account, run.ledger.total
        read: list[Entry] = [(-place, account.number, place, data) for _, _, place, data in found]
        entries, old = parted(run.log, read[-1:] if is_batch else read, self._settings.spool_max_age)
        if is_batch:
            entries, old = ([], read) if old else (read, [])
        for counts in (account, total):
            counts.accepted += len(found)
            counts.spooled += len(found)
        run.ledger.busy[account.number] = account
        if old:
            run.ledger.dropped(old, Reason.SPOOL_EXPIRED)
            run.log.settle(places_of(old), time.time())
            self._ledger.absorb(run.ledger)
        return entries

    def _finish(self, run: _Run) -> None:
        """Count what was unreadable in a run, and remove it, since the rest is settled."""
        run.log.settle([], time.time())
        if run.log.missing:
            run.ledger.total.accepted += run.log.missing
            run.ledger.dropped_unseen(run.log.missing, Reason.SPOOL_CORRUPT)
        self._ledger.absorb(run.ledger)
        self._directory.let_go(run.log)
        self._run = None
