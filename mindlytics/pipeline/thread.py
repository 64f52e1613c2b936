"""The blocking pipeline: a daemon thread that posts through requests."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..delivery.batcher import Batch
from ..delivery.ledger import Account, FlushResult, Record
from ..delivery.verdict import Verdict, Wire
from ..events import AnyEvent
from ..settings import Settings
from . import lifecycle
from .base import CUT_SHORT, GRACE, IDLE, LONGEST_WAIT, RESTART_WAIT, TICK, TIME_IS_UP, Pipeline, clock, logger

if TYPE_CHECKING:
    from ..transport.blocking import BlockingTransport


class ThreadPipeline(Pipeline):
    """The sender is a daemon thread, started by the first event."""

    is_async = False
    exit_turn = 1
    _retrying: Callable[..., Callable[..., Verdict]]

    def __init__(self, settings: Settings, make_wire: Callable[[], Wire]) -> None:
        self._start_anew()
        super().__init__(settings, make_wire)

    def _start_anew(self) -> None:
        self._thread: threading.Thread | None = None
        self._unattended = True
        self._starting = threading.Lock()
        self._draining = threading.Lock()
        self._wake = _Bell()
        self._nudge = _Bell()
        self._ended = threading.Event()

    def renew(self) -> None:
        self._start_anew()
        super().renew()

    def submit(self, event: AnyEvent, account: Account, closed: bool = False, aside: bool = False) -> None:
        """Accept an event; waits for nothing but ``on_full="block"``, and never raises for the network.

        :param aside: it comes of a call of another client's: it waits for nothing at all, and raises nothing.
        """
        if closed or not self.is_open:
            self._turn_away(event, account, aside)
            return
        record = Record(event, account, event.size)
        if not self.intake.put(record):
            self._wait_for_room(record, self._blocks and not aside)
        if self._unattended:
            self._attend()

    def _wait_for_room(self, record: Record, blocks: bool) -> None:
        """Too much is pending: send it without waiting for company; the caller waits where it is to be blocked."""
        self.hurry = self.ledger.total.accepted
        self._wake.ring()
        if not (blocks and self.intake.put_within(record, min(self.settings.block_timeout, LONGEST_WAIT))):
            self._overflow(record)

    def flush(self, timeout: float | None, account: Account | None = None) -> FlushResult:
        """Send what is pending, of that account or of all, and wait for the outcome, ``timeout`` seconds at most."""
        done = _Bell()
        ticket = self.ledger.ticket(account, done.ring)
        if ticket is not None and self._may_wait():
            timeout = LONGEST_WAIT if timeout is None else min(timeout, LONGEST_WAIT)
            try:
                self._hurry(ticket.last)
                if self._ensure_sender():
                    done.wait(timeout)
                else:
                    self._deliver_here(clock() + timeout)
            finally:
                self.ledger.tear(ticket)
        return self.ledger.result(account)

    def close(self, timeout: float) -> FlushResult:
        """Accept nothing more, deliver what is pending within ``timeout`` seconds, and end the sender."""
        if not self.closed:
            timeout = min(timeout, LONGEST_WAIT)
            self.closed, self.is_open = True, False
            self.end_by(clock() + timeout)
            if not self._may_wait():  # the sender goes on after it
                lifecycle.closing_was_cut_short(self)
                return self._ended_with()
            try:
                if self._thread is not None or self.ledger.pending:
                    if self._ensure_sender():
                        self._ended.wait(timeout + GRACE)
                    else:
                        self._deliver_here(self.deadline)
            except BaseException:  # Ctrl-C above all
                lifecycle.closing_was_cut_short(self)
                raise
        return self._ended_with()

    def _may_wait(self) -> bool:
        """Not in an error handler, which the sender calls, nor where a step on the queue was interrupted for this."""
        return threading.current_thread() is not self._thread and not self.intake.is_held_here()

    def flush_from_outside(self, timeout: float) -> None:
        self.flush(max(0.0, timeout))

    @classmethod
    def finish_all(cls, pipelines: list[ThreadPipeline]) -> None:
        alone = [pipeline for pipeline in pipelines if not pipeline.has_sender()]
        for pipeline in pipelines:
            done = _Bell()
            if pipeline not in alone and pipeline.ledger.ticket(None, done.ring) is not None:
                done.wait(pipeline.deadline - clock() + GRACE)
        for pipeline in alone:
            if pipeline.ledger.pending:
                pipeline._deliver_here(pipeline.deadline)

    def begin(self) -> None:
        self._ensure_sender()

    def hasten(self) -> None:
        self._unattended = self._unattended or lifecycle.exit_began is not None
        self._hurry(self.ledger.total.accepted)

    def _hurry(self, number: int) -> None:
        self.hurry = max(self.hurry, number)
        self._nudge.ring()
        self._wake.ring()

    def _wake_sender(self) -> None:
        self._wake.ring()

    def has_sender(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _attend(self) -> None:
        """An event was accepted while no sender is at work, or while the program is ending."""
        if lifecycle.exit_began is None:
            self._ensure_sender()
        else:
            self.end_by(lifecycle.exit_began + self.settings.shutdown_timeout)
            self.finish_all([self])

    def _ensure_sender(self) -> bool:
        """Whether a sender is at work, started now if need be; none can be once the interpreter is leaving."""
        if self._thread is None and self._starting.acquire(blocking=False):  # else somebody else is about to start it
            try:
                if self._thread is None:
                    self._start_sender()
            except RuntimeError:
                self._thread = None
                return False
            finally:
                self._starting.release()
        return True

    def _start_sender(self) -> None:
        lifecycle.watch_child_exit()
        self._ended.clear()
        self._wake, self._nudge = _Bell(), _Bell()  # of the kind that threads wait for now: green ones may have come
        self._thread = threading.Thread(target=self._work, name="mindlytics-sender", daemon=True)
        self._thread.start()
        self._unattended = lifecycle.exit_began is not None

    def _work(self) -> None:
        """The thread. An error of our own ends no sender: the batch goes back, and after a pause it goes on."""
        try:
            while True:
                try:
                    self._deliver(drain=False)
                    break
                except Exception:
                    logger.exception("the sender failed and starts again")
                    self._ended.wait(RESTART_WAIT)
        finally:
            self._thread = None
            self._unattended = True
            self._ended.set()

    def _deliver_here(self, deadline: float) -> None:
        """Deliver what is pending on this thread, since no other can be had; on one thread at a time."""
        while self.ledger.pending and clock() < deadline and self._draining.acquire(blocking=False):
            lasting, self.deadline = self.deadline, min(self.deadline, deadline)
            try:
                self._deliver(drain=True)
            finally:
                self.deadline = lasting
                self._draining.release()

    def _deliver(self, *, drain: bool) -> None:
        """Send batch after batch: until nothing is pending (``drain``, or once closed), or until the deadline."""
        transport = self._open_transport()
        try:
            while True:
                self._wake.mute()
                now = clock()
                if now > self.deadline:
                    if self.gives_up:
                        self.outbox.abandon()
                    return
                batch = self.outbox.next(now, self.hurry)
                if batch is None:
                    self._tell_losses()
                    if (drain or self.closed) and self.ledger.pending == 0:
                        return
                    if not self._rest(now) and lifecycle.retire(self):
                        return
                else:
                    self._send(transport, batch)
        finally:
            transport.close()
            self._tell_losses()

    def _open_transport(self) -> BlockingTransport:
        """All that sending needs is imported here and nowhere later: it takes a while, and forks wait for it."""
        with lifecycle.importing:
            import encodings.idna  # noqa: PLC0415, F401  for names of hosts
            import netrc  # noqa: PLC0415, F401  for requests

            from tenacity import Retrying  # noqa: PLC0415

            from ..delivery.retry import policy  # noqa: PLC0415
            from ..transport.blocking import BlockingTransport  # noqa: PLC0415

            self._retrying, self._policy = Retrying, policy
            _ = self.outbox
        return BlockingTransport(self.settings)

    def _rest(self, now: float) -> bool:
        """Wait until a batch is due or somebody calls; False where it was in vain."""
        due = self.outbox.due(self.hurry)
        until = min(now + IDLE if due is None else due, self.deadline + TICK)
        return not self.intake.arm(self.outbox.wanted(now)) or self._wake.wait(until - now) or due is not None

    def _send(self, transport: BlockingTransport, batch: Batch) -> None:
        """One batch, to its last verdict."""
        try:
            verdict: Verdict = self._retrying(**self._rules(batch, self._pause))(self._post, transport, batch)
        except BaseException:
            self.outbox.put_back(batch)
            raise
        self._settle(batch, verdict)

    def _post(self, transport: BlockingTransport, batch: Batch) -> Verdict:
        """One attempt."""
        self._tell_losses()
        self._nudge.mute()
        flow = self._attempt(batch)
        request = next(flow, None)
        while request is not None:
            try:
                request = flow.send(transport.request(*request))
            except StopIteration as end:
                verdict: Verdict = end.value
                return verdict
        return TIME_IS_UP

    def _pause(self, seconds: float) -> None:
        """Wait between two attempts. A flush cuts it short, unless the service asked for it; a deadline always does."""
        began = clock()
        until = began + seconds
        while (left := min(until, self.deadline) - clock()) > 0:
            if self._nudge.wait(left) and not self.asked_to_wait:
                until = min(until, began + CUT_SHORT)

    def _tell_losses(self) -> None:
        """Call the error handlers. One that fails harms nothing; a coroutine function's coroutine is run here."""
        for handler, error in self._losses():
            try:
                outcome = handler(error)
                if inspect.isawaitable(outcome):
                    _run(outcome)
            except KeyboardInterrupt:
                raise
            except BaseException as failure:
                self._handler_failed(failure)


class _Bell:
    """Wakes the one who waits. Ringing is one step of the interpreter: no signal and no exception comes in between."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was ringing already
            self._silent.release()

    def mute(self) -> None:
        self._silent.acquire(blocking=False)

    def wait(self, seconds: float) -> bool:
        """Until it rings, so long at most; whether it did. It is silent then."""
        return self._silent.acquire(timeout=min(max(0.0, seconds), LONGEST_WAIT))


def _run(awaitable: Awaitable[object]) -> None:
    import asyncio  # noqa: PLC0415  few handlers are coroutine functions, and it takes a while to import

    async def awaited() -> None:
        await awaitable

    asyncio.run(awaited())
