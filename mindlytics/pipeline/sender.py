"""The sender: a daemon thread that takes events out of the queue and decides which batch goes next.

Both faces have this one sender, so that delivery is independent of the program's event loops. They differ in how a
request is posted (``transport/blocking.py`` through requests, ``transport/loop.py`` through aiohttp on a loop of the
sender's own) and in how a caller waits.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import random
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..delivery.account import Reason
from ..delivery.batcher import Batch
from ..delivery.ledger import Ledger
from ..delivery.outbox import NEVER, Outbox
from ..delivery.verdict import Fate, Verdict, Wire
from ..settings import Settings
from . import fork, green, shutdown
from .attempts import Attempts, Transport
from .ending import Ending
from .intake import Intake
from .suspects import FAULT_STATUSES, takes_another
from .waiting import GRACE, LONGEST_TIMEOUT, WakeUp, clock

if TYPE_CHECKING:
    from .leftovers import Leftovers
    from .spooler import Spooler

logger: logging.Logger = logging.getLogger("mindlytics")


UNLIMITED = LONGEST_TIMEOUT / 2
"""Seconds. A longer timeout counts as none."""

TICK = 0.001
"""Seconds after a deadline, to wake surely behind it."""
IDLE = 10.0
"""Seconds after which an idle sender ends. The next event starts another."""
LOOK_AGAIN = 1.0
"""Seconds after which an idle sender checks whether any client is left. If not, it ends at once."""
RESTART_WAIT = 1.0
"""Seconds before the sender resumes after an error of our own."""
MAX_FAILURES = 100
"""Most different errors of our own that are logged."""
LEFTOVERS_FIRST = 10.0
"""Seconds for which events of earlier processes go first. After that, they take turns with this one's."""
LEFTOVERS_AT_END = 1.0
"""Seconds that an ending program spends on events of earlier processes, once its own are delivered."""


class Sender(ABC):
    """Delivers the events of a queue on its own thread or, while the program ends, on the exiting one.

    :param make_wire: makes the service's protocol. The sender calls it, so that callers need not wait for its imports.
    """

    intake: Intake
    ledger: Ledger
    spooler: Spooler | None = None
    """Writes events to disk, if there is a spool."""
    leftovers: Leftovers | None = None
    """Events that earlier processes left there."""

    def __init__(self, settings: Settings, make_wire: Callable[[], Wire]) -> None:
        self.settings = settings
        self.closed: bool = False
        self._make_wire = make_wire
        self._begin_sending()

    def _begin_sending(self) -> None:
        """Start without a sender thread and without events under way."""
        self.is_absent: bool = True
        """Whether the next call that adds an event has to start the sender."""
        self.ending: Ending = Ending(self._is_kept)
        self.attempts: Attempts = Attempts(self.settings, self.ledger, self.ending, report_losses=self.report_losses)
        self.flush_up_to: int = 0
        """Events up to this number leave without lingering."""
        self._last_sent = clock()
        self._failing_since: float | None = None
        self._logged_failures: set[str] = set()
        self._outbox: Outbox | None = None
        self._thread: threading.Thread | None = None
        self._sending_thread: int | None = None
        self._sends_leftovers_until = 0.0
        self._is_own_turn = False
        self._starting = threading.RLock()  # re-entrant: a finalizer may record while its thread starts the sender
        self._not_begun: list[bool] = []
        self._draining = threading.Lock()
        self._hub = green.hub()
        self._wake = WakeUp()
        self._when_ended: list[Callable[[], object]] = []

    @abstractmethod
    def _open_transport(self) -> Transport:
        """Open connections for the calling thread."""

    @abstractmethod
    def report_losses(self) -> None:
        """Call the error handlers for new losses."""

    @abstractmethod
    def is_used(self) -> bool:
        """Whether any client is left that may record events."""

    @abstractmethod
    def _retire(self) -> bool:
        """After a long idle time, end the pipeline too if its clients are gone."""

    @property
    def outbox(self) -> Outbox:
        """The outbox. It is made with the first batch, since a caller should not wait for its imports."""
        if self._outbox is None:
            pop_many = self.intake.pop_many if self.spooler is None else self.spooler.pop_many
            self._outbox = Outbox(self.settings, self._make_wire(), self.ledger, pop_many)
        return self._outbox

    def import_outbox(self) -> Outbox:
        """The outbox, for other threads than the sender's."""
        with fork.importing:
            return self.outbox

    # -- what other threads ask of the sender

    def has_sender(self) -> bool:
        """Whether the sender's thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def is_own_thread(self) -> bool:
        """Whether the caller runs on the sender's or spooler's thread: one of the program's hooks or error handlers."""
        if self.spooler is not None and self.spooler.is_own_thread():
            return True
        return threading.get_ident() == self._sending_thread

    def is_own_log(self) -> bool:
        """Whether the caller is a log handler, called for a line about the sender's own request.

        Recording such a line would cause another request, and so on for ever. Finalizers may run on this thread too,
        and are recognised by their frame.
        """
        if not self.attempts.is_posting or threading.get_ident() != self._sending_thread:
            return False
        frame = sys._getframe()
        while frame.f_back is not None and frame.f_code.co_name != "__del__":
            frame = frame.f_back
            module = frame.f_globals.get("__name__")
            if module == "logging":
                return True
            if module == "weakref":
                break
        return False

    def flush_soon(self, number: int | None = None) -> None:
        """Send events up to that number (default: all) without lingering, and cut a back-off short."""
        self.flush_up_to = max(self.flush_up_to, self.ledger.total.accepted if number is None else number)
        self._at_hub(self.attempts.backoff_cut.set)
        self._wake_sender()

    def _wake_sender(self) -> None:
        self._at_hub(self._wake.set)

    def _at_hub(self, wake: Callable[[], object]) -> None:
        """Call a function, on the thread of the green threads if they are in use."""
        if self._hub is not None and self._hub.is_elsewhere():
            self._hub.call(wake)
        else:
            wake()

    def end_by(self, deadline: float, *, patient: bool = True) -> None:
        """End the client or the program: drop what is still pending at the deadline.

        :param patient: whether the program chose the timeout itself. If not, the wait is shorter for a service that has
            failed from the start, or that a previous wait just ran out for.
        """
        self.ending.end_by(deadline, patient=patient)
        self.is_absent = self.is_absent or shutdown.began is not None
        self.flush_soon()

    def _is_kept(self) -> bool:
        """Whether the service fails, and the pending events are safe on disk."""
        return self.spooler is not None and bool(self.ledger.last_cause)

    def wait_limit(self, timeout: float | None) -> float:
        """The limit of a wait in seconds. Without a timeout it is ``retry_for`` if a spool keeps the events, else
        none.
        """
        if timeout is None or timeout >= UNLIMITED:
            return LONGEST_TIMEOUT if self.spooler is None else self.settings.retry_for
        return max(0.0, min(timeout, LONGEST_TIMEOUT))

    def ensure_sender(self) -> bool:
        """Start the sender unless it runs. Returns False if the interpreter shuts down and cannot start threads."""
        if self._hub is not None and self._hub.is_elsewhere():
            self._hub.call(self.ensure_sender)
            return True
        starting: Any = self._starting
        if self._thread is None and not starting._is_owned():  # else this interrupts that thread's own start
            with starting:  # an RLock, which an interrupt cannot leave locked
                if self._thread is None:
                    return self._has_started()
        return True

    def _has_started(self) -> bool:
        try:
            self._start()
        except RuntimeError:
            self._thread = None
            return False
        except BaseException:  # Ctrl-C
            with contextlib.suppress(IndexError):
                self._not_begun.pop()  # a thread that finds the list empty returns at once
                self._thread = None
            raise
        return True

    def call_when_ended(self, notify: Callable[[], object]) -> bool:
        """Call a function once the sender has ended. Returns whether a sender runs."""
        self._when_ended.append(notify)
        return self.has_sender()

    def finish(self) -> None:
        """Deliver what is pending by the deadline, called from the exiting thread."""
        if self.has_sender():
            done = WakeUp()
            if self.ledger.wait(None, done.set) is not None and self.call_when_ended(done.set):
                while (left := self.ending.deadline + GRACE - clock()) > 0 and not done.wait(left):
                    pass
        if not self.has_sender() and self.ledger.pending:
            self.deliver_here(self.ending.deadline)
        self._wait_for_leftovers()
        self.give_up()
        self.report_losses()

    def _wait_for_leftovers(self) -> None:
        """Wait briefly for the delivery of events from earlier processes. A short program may have no other chance."""
        ended = WakeUp()
        if self._has_leftovers() and self.call_when_ended(ended.set):
            ended.wait(min(self.ending.deadline, self.ending.since + LEFTOVERS_AT_END) + GRACE - clock())

    def _has_leftovers(self) -> bool:
        return self.leftovers is not None and self.leftovers.due() <= clock() < self.ending.since + LEFTOVERS_AT_END

    def give_up(self) -> None:
        """Drop everything pending, except what is on disk."""
        if self.spooler is not None:
            self.spooler.end(is_exit=shutdown.began is not None)
        if self.ledger.pending:
            with self.intake.standing_still():  # an event accepted during the drop would stay pending for ever
                self.ledger.give_up(Reason.SHUTDOWN, self.ended_before())
            self.intake.notify_room()

    def deliver_here(self, deadline: float) -> None:
        """Deliver what is pending on this thread, since others cannot start. One thread does so at a time."""
        while self.ledger.pending and clock() < deadline and self._draining.acquire(blocking=False):
            # The deadline of this delivery alone, since the pipeline may live on.
            lasting, self.ending.deadline = self.ending.deadline, min(self.ending.deadline, deadline)
            try:
                self._sending_thread = threading.get_ident()
                done = self._deliver(drain=True)
            finally:
                self._sending_thread = None
                self.ending.deadline = lasting
                self._draining.release()
            if not done:
                break

    def deliver_leftovers(self, patience: float) -> None:
        """Deliver events of earlier processes on this thread.

        :param patience: seconds without progress after which it stops.
        """
        assert self.leftovers is not None
        transport = self._prepare()[-1]
        until, settled = clock() + patience, 0
        try:
            while (now := clock()) < until and (self._send_leftover(now) or self.leftovers.is_at_work):
                if self.ledger.total.recovered > settled:
                    until, settled = clock() + patience, self.ledger.total.recovered
                self._wake.wait(min(until, self.leftovers.due()) - clock())
        finally:
            self.leftovers.let_go()
            transport.close()

    def ended_before(self) -> str:
        """Why events are dropped at the end, as a message."""
        if self.attempts.is_posting and not self.ledger.last_cause:
            self.ledger.last_cause = f"{self.attempts.origin}: no reply yet"
        cause = self.ledger.last_cause
        return f"the program or client ended before it was sent{f' ({cause})' if cause else ''}"

    # -- the thread

    def _start(self) -> None:
        shutdown.watch_child_exit()
        if fork.forks_without_hooks():
            self._prepare()[-1].close()
        # Made anew, since gevent may have replaced the lock class.
        self._wake, self.attempts.backoff_cut = WakeUp(), WakeUp()
        # Run in a context of its own. The caller's context would keep its request's objects alive as long as the
        # sender.
        run = contextvars.Context().run
        if self.spooler is not None:
            self.spooler.start()
        self._not_begun = not_begun = [True]
        args = self._work, not_begun
        self._thread = threading.Thread(target=run, args=args, name="mindlytics-sender", daemon=True)
        self._thread.start()
        self.is_absent = shutdown.began is not None  # at exit, each call still looks after its own event

    def _work(self, not_begun: list[bool]) -> None:
        """The thread's function. After an error of our own, it puts the batch back, pauses, and resumes.

        :param not_begun: holds one item, and whoever takes it wins: this thread, which then runs, or the thread that
            was interrupted while starting it, which then starts another later.
        """
        try:
            not_begun.pop()
        except IndexError:
            return
        self._sending_thread = threading.get_ident()
        idle = False
        try:
            while True:
                try:
                    idle = self._deliver(drain=False)
                    break
                except Exception as error:
                    if self._failed(error):
                        break
        finally:
            # Before anyone is notified: whoever looks now finds no sender, and the next event starts one.
            self._sending_thread = self._thread = None
            self.is_absent = True
            if self.spooler is not None:
                self.spooler.stop()
            waiting, self._when_ended = self._when_ended, []
            for notify in waiting:
                notify()
            if idle and not self._retire() and self.ledger.pending:  # an event came just now
                self.ensure_sender()

    def _failed(self, error: Exception) -> bool:
        """Handle an error of our own: log it once, and drop what is pending if it lasts. Returns whether to end."""
        now = clock()
        words = f"the sender failed ({type(error).__name__}: {error})"
        if self._failing_since is None:
            self._failing_since = now
        if words not in self._logged_failures and len(self._logged_failures) < MAX_FAILURES:
            self._logged_failures.add(words)
            logger.exception("%s; retrying for %s seconds", words, self.settings.retry_for)
        self.ledger.last_cause = words
        if self.ending.gives_up and now >= self.ending.deadline:
            self._abandon(Reason.SHUTDOWN, self.ended_before())
            return True
        if now - self._failing_since >= self.settings.retry_for and self.spooler is None:
            self._failing_since = None
            self._abandon(Reason.SENDER_FAILED, words)
            self.report_losses()
            return self.closed
        self._wake.wait(min(RESTART_WAIT, self.ending.deadline - now))
        return False

    def _abandon(self, reason: Reason, message: str, batch: Batch | None = None) -> None:
        """Drop everything pending, except what is on disk."""
        if self.spooler is not None:
            return
        if self._outbox is not None:
            self._outbox.abandon(batch, reason, message)
        else:
            self.ledger.dropped(self.intake.pop_many(NEVER, NEVER), reason, message=message)
        self._room_made()

    def _room_made(self) -> None:
        """Wake those who wait for room, since events were settled."""
        self.intake.notify_room()

    def _deliver(self, *, drain: bool) -> bool:
        """Send batch after batch, until nothing is pending (``drain``, or once closed) or the sender has idled enough.

        Returns False if the deadline came first.
        """
        outbox, transport = self._prepare()
        self._sends_leftovers_until = clock() + LEFTOVERS_FIRST
        try:
            while True:
                self._wake.clear()  # before looking for work, so that what comes later wakes it
                now = clock()
                if now > self.ending.deadline:
                    if self.ending.gives_up:
                        self._abandon(Reason.SHUTDOWN, self.ended_before())
                    return False
                if self._are_leftovers_first(now) and self._send_leftover(now):
                    continue
                self._is_own_turn = False
                batch = outbox.next(now, self.flush_up_to)
                if batch is not None:
                    if not self._send(batch):
                        return False
                    continue
                if self._send_leftover(now):
                    continue
                self._failing_since = None
                self.report_losses()
                if (drain or self.closed) and self.ledger.pending == 0:
                    return True
                if not self._rest(now):
                    return True
        finally:
            if self.leftovers is not None:
                self.leftovers.let_go()
            transport.close()
            self.report_losses()

    def _prepare(self) -> tuple[Outbox, Transport]:
        """Make the outbox and a transport. This imports libraries, which takes a while, and a fork waits for it."""
        with fork.importing:
            outbox, transport = self.outbox, self._open_transport()
        self.attempts.use(outbox, transport, is_spooled=self.spooler is not None)
        return outbox, transport

    def _rest(self, now: float) -> bool:
        """Wait until a batch is due or something happens. Returns False if the sender should end."""
        due = self.outbox.due(self.flush_up_to)
        until = min(now + LOOK_AGAIN if due is None else due, self.ending.deadline + TICK)
        queue = self.intake if self.spooler is None else self.spooler
        if self.leftovers is not None:
            until = min(until, self.leftovers.due())
        # Asking comes before waiting, so an event that arrives in between ends the wait at once.
        if not queue.wake_at(self.outbox.wanted(now)) or self._wake.wait(until - now):
            return True
        if due is not None or self.ledger.pending or (self.leftovers is not None and self.leftovers.is_at_work):
            return True
        return self.is_used() and clock() - self._last_sent < IDLE

    def _send(self, batch: Batch) -> bool:
        """Send one batch until its final verdict. Returns False if the deadline came first."""
        try:
            if self.spooler is not None and not batch.attempts:
                self.spooler.begin(batch)
            verdict = self.attempts.post(batch)
            if verdict.fate is Fate.RETRY and not batch.is_suspect:
                verdict = self.attempts.retry(batch, verdict)
            if verdict.fate is Fate.RETRY and self.spooler is not None:
                self._hold(batch, verdict)
                return True
        except BaseException:  # an exit or an error of ours: the batch is unsettled, so it goes first again
            self.outbox.put_back(batch)
            raise
        if verdict.fate is not Fate.TIME_UP:
            settle = self.outbox.settle if self.spooler is None else self.spooler.settle
            settle(batch, verdict, clock(), self.attempts.origin)
            self._room_made()
            self._failing_since, self._last_sent = None, clock()
        elif self.ending.gives_up:
            self._abandon(Reason.SHUTDOWN, self.ended_before(), batch)
        else:
            self.outbox.put_back(batch)
            return False
        return True

    def _hold(self, batch: Batch, verdict: Verdict) -> None:
        """Keep a batch on disk that failed for ``retry_for`` seconds or is a suspect, unless it is at fault.

        A batch is at fault if the service answers it with a server error and accepts one of the next. Then it is halved
        until the bad event stands alone, and that event is dropped.
        """
        assert self.spooler is not None
        is_doubtful = verdict.status in FAULT_STATUSES
        if self.spooler.expire(batch):
            return
        if is_doubtful and takes_another(self.attempts, batch, self.spooler):
            self.spooler.set_apart(batch, verdict, self.attempts.origin)
            return
        if not (is_doubtful and batch.is_suspect):
            self.attempts.pause(random.uniform(0.5, 1.0) * self.settings.max_retry_wait, batch)
        batch.tried, batch.frozen, batch.is_suspect = None, 0.0, False
        self.spooler.put_back(batch)

    def _are_leftovers_first(self, now: float) -> bool:
        if self.leftovers is None or self.ending.gives_up or self.ledger.is_waited_for:
            return False
        return now < self._sends_leftovers_until or not self._is_own_turn

    def _send_leftover(self, now: float) -> bool:
        """Make one attempt with a batch of an earlier process. Returns False if none is due."""
        if self.leftovers is None or now > self.ending.since + LEFTOVERS_AT_END:
            return False
        verdict = self.leftovers.send(self.attempts, now)
        if verdict is None:
            return False
        self._is_own_turn = True
        self.outbox.log_recovery(verdict)
        return True
