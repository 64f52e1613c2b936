"""The asyncio pipeline: a task that posts through aiohttp, on whatever loop runs when there is something to send."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from tenacity import AsyncRetrying

from ..delivery.batcher import Batch
from ..delivery.ledger import Account, FlushResult, Record
from ..delivery.retry import policy
from ..delivery.verdict import Verdict, Wire
from ..events import AnyEvent
from ..handlers import call, is_to_end
from ..settings import Settings
from ..transport.asyncio import AsyncTransport
from . import lifecycle
from .base import CUT_SHORT, GRACE, IDLE, LONGEST_WAIT, RESTART_WAIT, TICK, TIME_IS_UP, Pipeline, clock, logger

LOOK_AGAIN = 0.25
"""Seconds after which one who waits for a sender on another loop looks whether that loop still runs."""


class _Done(Coroutine[Any, Any, None]):
    """What a call hands back: the event is queued already, and awaiting it costs nothing.

    A coroutine, since ``create_task`` takes nothing else; but one for all calls, which nobody has to await.
    """

    def __await__(self) -> Generator[None, None, None]:
        return
        yield

    def send(self, value: object) -> None:
        raise StopIteration

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> None:
        raise kind if value is None else value

    def close(self) -> None: ...


class _Breath(_Done):
    """The same while much is pending: awaiting it lets the loop, and so the sender, have a turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield


DONE = _Done()
BREATH = _Breath()


class TaskPipeline(Pipeline):
    """The sender is a task. It lives on one loop at a time and leaves nothing behind on it."""

    is_async = True
    exit_turn = 0
    _policy = staticmethod(policy)

    def __init__(self, settings: Settings, make_wire: Callable[[], Wire]) -> None:
        self._start_anew()
        super().__init__(settings, make_wire)

    def _start_anew(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._adopting = threading.Lock()
        self._draining = threading.Lock()
        self._wake = _Bell()
        self._nudge = _Bell()
        self._transport: AsyncTransport | None = None
        self._in_hand: Batch | None = None
        self._wait_for_room: list[Callable[[], None]] = []

    def renew(self) -> None:
        self._start_anew()
        super().renew()

    def submit(
        self, event: AnyEvent, account: Account, closed: bool = False, aside: bool = False
    ) -> Coroutine[Any, Any, None]:
        """Accept an event at once; only with ``on_full="block"`` has the result to be awaited for it to count.

        :param aside: it comes of a call of another client's: not even then, and it raises nothing.
        """
        if closed or not self.is_open:
            self._turn_away(event, account, aside)
            return DONE
        record = Record(event, account, event.size)
        if not self.intake.put(record):
            self.hurry = self.ledger.total.accepted
            self._wake_sender()
            if self._blocks and not aside:
                return self._submit_later(record)
            self._overflow(record)
        self._attend()
        return DONE if self.ledger.pending < self.settings.max_batch_events else BREATH

    async def _submit_later(self, record: Record) -> None:
        """Accept it when there is room, within ``block_timeout`` seconds."""
        until = clock() + self.settings.block_timeout
        while True:
            self._attend()
            room, notify = _signal()
            self._wait_for_room.append(notify)
            try:
                if self.intake.put(record):
                    break
                await asyncio.wait({room}, timeout=min(max(0.0, until - clock()), LOOK_AGAIN))
            finally:
                self._wait_for_room.remove(notify)
            if clock() >= until:
                self._overflow(record)
                break
        self._attend()

    async def flush(self, timeout: float | None, account: Account | None = None) -> FlushResult:
        """Send what is pending, of that account or of all, and wait for the outcome, ``timeout`` seconds at most."""
        done, notify = _signal()
        ticket = self.ledger.ticket(account, notify)
        if ticket is not None and asyncio.current_task() is not self._task:
            until = clock() + min(LONGEST_WAIT if timeout is None else timeout, LONGEST_WAIT)
            self._hurry(ticket.last)
            try:
                while not done.done() and (left := until - clock()) > 0:
                    self._attend()  # the sender's loop, if it is another one, may end at any time
                    await asyncio.wait({done}, timeout=min(left, LOOK_AGAIN))
            finally:
                self.ledger.tear(ticket)
        return self.ledger.result(account)

    async def close(self, timeout: float) -> FlushResult:
        """Accept nothing more, deliver what is pending within ``timeout`` seconds, and end the sender."""
        if not self.closed:
            self.closed, self.is_open = True, False
            self.end_by(clock() + timeout)
            if asyncio.current_task() is self._task:  # an error handler closes: the sender goes on after it
                return self._ended_with()
            try:
                await self.flush(timeout)
                await self._end_sender()
            except BaseException:  # cancellation above all
                lifecycle.closing_was_cut_short(self)
                raise
        return self._ended_with()

    async def _end_sender(self) -> None:
        """The sender ends by itself once nothing is pending; it is cancelled where it does not."""
        task, loop = self._task, self._loop
        self._wake_sender()
        if task is not None and loop is asyncio.get_running_loop():
            await asyncio.wait({task}, timeout=0 if self.ledger.pending else GRACE)
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
        elif task is not None and loop is not None and loop.is_running():
            loop.call_soon_threadsafe(task.cancel)
            return
        if self.ledger.pending:
            self.outbox.abandon()

    def flush_from_outside(self, timeout: float) -> None:
        timeout = max(0.0, timeout)
        if self._is_attended():
            self._wait_settled(timeout)
        elif self.ledger.pending:
            with contextlib.suppress(asyncio.TimeoutError):
                asyncio.run(asyncio.wait_for(self._drain(), timeout))

    @classmethod
    def finish_all(cls, pipelines: list[TaskPipeline]) -> None:
        attended = [pipeline for pipeline in pipelines if pipeline._is_attended()]
        cls._drain_all([pipeline for pipeline in pipelines if pipeline not in attended])
        for pipeline in attended:
            pipeline._wait_settled(pipeline.deadline - clock() + GRACE)
        cls._drain_all([pipeline for pipeline in attended if not pipeline._is_attended()])

    @classmethod
    def _drain_all(cls, pipelines: list[TaskPipeline]) -> None:
        """Send what is pending on a loop of our own; on one thread at a time."""
        alone = [pipeline for pipeline in pipelines if pipeline._draining.acquire(blocking=False)]
        try:
            while any(pipeline.ledger.pending for pipeline in alone):
                asyncio.run(_all_drained(alone), debug=False)  # nobody minds a slow step of a program that is ending
        finally:
            for pipeline in alone:
                pipeline._draining.release()

    def _wait_settled(self, timeout: float) -> None:
        """Let what is pending be sent by the loop that runs on another thread, while it does."""
        until = clock() + timeout
        done = threading.Event()
        ticket = self.ledger.ticket(None, done.set)
        if ticket is not None:
            self._hurry(ticket.last)
            while self._is_attended() and (left := until - clock()) > 0 and not done.wait(min(left, LOOK_AGAIN)):
                pass
            self.ledger.tear(ticket)

    def has_sender(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self) -> None:
        if _running_loop() is not None:
            self._attend()

    def hasten(self) -> None:
        self._hurry(self.ledger.total.accepted)

    def _hurry(self, number: int) -> None:
        self.hurry = max(self.hurry, number)
        self._call(self._nudge.ring)
        self._wake_sender()

    def _wake_sender(self) -> None:
        self._call(self._wake.ring)

    def _call(self, function: Callable[[], None]) -> None:
        """Call it on the sender's loop, if that still lives."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function)

    def _is_attended(self) -> bool:
        """Whether a sender is at work on a loop that runs."""
        return self.has_sender() and self._loop is not None and self._loop.is_running()

    def _attend(self) -> None:
        """See to it that a sender is at work, if a loop runs here. One whose loop stands still is left behind."""
        if self._is_attended():
            return
        lifecycle.watch_child_exit()
        loop = _running_loop()
        if loop is not None:
            if self._adopting.acquire(blocking=False):  # else somebody else is about to start it
                try:
                    self._adopt(loop)
                    # not by the loop's factory: an eager one would run it before it is known to be the sender
                    self._task = asyncio.Task(self._work(), loop=loop, name="mindlytics-sender")
                finally:
                    self._adopting.release()
        elif lifecycle.exit_began is not None:
            self.end_by(lifecycle.exit_began + self.settings.shutdown_timeout)
            self.finish_all([self])

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on upon this loop, with the batch that was in hand on another first.

        A loop that was closed around its tasks, without cancelling them, leaves a task that can never end. Nobody is to
        be told of that: nothing of ours is lost with it.
        """
        if self._task is not None and not self._task.done():
            if self._transport is not None and self._loop is not None and self._loop.is_closed():
                self._transport.forget()
            self._task._log_destroy_pending = False  # type: ignore[attr-defined]
        if self._in_hand is not None:
            self.outbox.put_back(self._in_hand)
            self._in_hand = None
        self._loop = loop
        self._wake, self._nudge = _Bell(), _Bell()

    async def _drain(self) -> None:
        """Deliver what is pending on a loop of the ending program's own."""
        self._adopt(asyncio.get_running_loop())
        self._task = asyncio.current_task()
        await self._deliver(drain=True)

    async def _work(self) -> None:
        """The task."""
        try:
            await self._deliver(drain=False)
        except asyncio.CancelledError:
            if lifecycle.exit_began is None:
                raise
            self.end_by(lifecycle.exit_began + self.settings.shutdown_timeout)
            await self._deliver(drain=True)  # the loop of an exit handler ends, and none will run after it

    async def _deliver(self, *, drain: bool) -> None:
        """Send batch after batch: until nothing is pending (``drain``, or once closed), or until the deadline."""
        transport = self._transport = AsyncTransport(self.settings, threads=not drain)
        me, loop = asyncio.current_task(), asyncio.get_running_loop()
        try:
            while self._task is me:
                try:
                    self._wake.mute()
                    now = clock()
                    if now > self.deadline:
                        if self.gives_up:
                            self.outbox.abandon()
                        return
                    batch = self.outbox.next(now, self.hurry)
                    if batch is None:
                        await self._tell_losses()
                        if (drain or self.closed) and self.ledger.pending == 0:
                            return
                        if not await self._rest(now) and lifecycle.retire(self):
                            return
                    else:
                        await self._send(transport, batch)
                except Exception:
                    logger.exception("the sender failed and starts again")
                    await asyncio.sleep(RESTART_WAIT)
        finally:
            if not loop.is_closed():
                await transport.close()
                await self._tell_losses()

    async def _rest(self, now: float) -> bool:
        """Wait until a batch is due or somebody calls; False where it was in vain."""
        due = self.outbox.due(self.hurry)
        until = min(now + IDLE if due is None else due, self.deadline + TICK)
        return not self.intake.arm(self.outbox.wanted(now)) or await self._wake.wait(until - now) or due is not None

    async def _send(self, transport: AsyncTransport, batch: Batch) -> None:
        """One batch, to its last verdict. A cancelled attempt is somebody else's first, under the same key."""
        self._in_hand = batch
        try:
            verdict: Verdict = await AsyncRetrying(**self._rules(batch, self._pause))(self._post, transport, batch)
        except BaseException:
            if self._in_hand is batch:
                self._in_hand = None
                self.outbox.put_back(batch)
            raise
        if self._in_hand is batch:
            self._in_hand = None
            self._settle(batch, verdict)
            for notify in self._wait_for_room:
                notify()

    async def _post(self, transport: AsyncTransport, batch: Batch) -> Verdict:
        """One attempt."""
        await self._tell_losses()
        self._nudge.mute()
        flow = self._attempt(batch)
        request = next(flow, None)
        while request is not None:
            try:
                request = flow.send(await transport.request(*request))
            except StopIteration as end:
                verdict: Verdict = end.value
                return verdict
        return TIME_IS_UP

    async def _pause(self, seconds: float) -> None:
        """Wait between two attempts. A flush cuts it short, unless the service asked for it; a deadline always does."""
        began = clock()
        until = began + seconds
        while (left := min(until, self.deadline) - clock()) > 0:
            if await self._nudge.wait(left):
                self._nudge.mute()
                until = until if self.asked_to_wait else min(until, began + CUT_SHORT)

    async def _tell_losses(self) -> None:
        """Call the error handlers. One that fails harms nothing."""
        for handler, error in self._losses():
            try:
                await call(handler, error)
            except BaseException as failure:
                if is_to_end(failure):
                    raise
                self._handler_failed(failure)


async def _all_drained(pipelines: list[TaskPipeline]) -> None:
    await asyncio.gather(*(asyncio.create_task(pipeline._drain()) for pipeline in pipelines))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _signal() -> tuple[asyncio.Future[None], Callable[[], None]]:
    """A future of the running loop, and what resolves it from any thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def notify() -> None:
        with contextlib.suppress(RuntimeError):  # the loop that waited is closed
            loop.call_soon_threadsafe(resolve)

    return future, notify


class _Bell:
    """An event that is waited for with a limit, and without a task of its own that a closed loop could leave behind."""

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._rung = True
        self._stop_waiting()

    def mute(self) -> None:
        self._rung = False

    async def wait(self, seconds: float) -> bool:
        """Until it rings, so long at most; whether it did."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            limit = loop.call_later(min(max(0.0, seconds), LONGEST_WAIT), self._stop_waiting)
            try:
                await self._waiter
            finally:
                limit.cancel()
        return self._rung

    def _stop_waiting(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
