"""The asyncio face's pipeline: it posts through aiohttp, and its waits keep the loop free."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any

from ..annotations import Awaited
from ..callbacks import call, is_to_end
from ..delivery import retry  # noqa: F401  what the sender imports is imported with this module
from ..delivery.account import Account, FlushResult
from ..delivery.verdict import Wire
from ..events import AnyEvent
from ..settings import Settings
from ..transport.limit import timeout as limit
from ..transport.loop import LoopTransport
from . import shutdown
from .attempts import Transport
from .base import Pipeline
from .waiting import GRACE, LONGEST_TIMEOUT, clock

LOOK_AGAIN = 0.25
"""Seconds after which a wait checks its condition again."""

LOOP_PATIENCE = 0.005
"""Seconds that a call on a loop waits for room on the porch, at most."""

TURN = 16
"""While a batch is pending, one of so many awaited calls gives the loop a turn. Once the queue is half full, all do."""


class Done(Awaited[None]):
    """What a call returns. The event is queued already, and awaiting this costs nothing.

    It is a coroutine, since ``create_task`` requires one. All calls return the same one, and awaiting it is optional.
    """

    def __await__(self) -> Generator[None, None, None]:
        return
        yield

    def send(self, value: object) -> None:
        raise StopIteration

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None:
        raise value if isinstance(value, BaseException) else kind

    def close(self) -> None: ...


class QueuedYield(Done):
    """What a call returns while many events are pending: awaiting it gives the loop a turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield


DONE = Done()
YIELD = QueuedYield()


class AsyncPipeline(Pipeline):
    """The pipeline behind :class:`mindlytics.AsyncClient`, independent of the program's loops."""

    is_async = True
    done = DONE

    def __init__(self, settings: Settings, make_wire: Callable[[], Wire]) -> None:
        self._home: asyncio.AbstractEventLoop | None = None
        """The loop that used it last. Error handlers are called there."""
        self._report_task: asyncio.Task[None] | None = None
        self._waiting_for_room: list[Callable[[], None]] = []
        self._much, self._too_much = settings.max_batch_events, settings.max_queue_events // 2
        super().__init__(settings, make_wire)

    def renew(self) -> None:
        self._home = self._report_task = None
        self._waiting_for_room = []
        super().renew()

    def submit(self, payload: bytes | AnyEvent, size: int, account: Account, *, best_effort: bool = False) -> Any:
        loop = asyncio._get_running_loop()
        is_senders = self.attempts.is_posting and self.is_own_thread()  # the sender runs a loop of its own
        if loop is not None and not is_senders:
            self._home = loop
        done = super().submit(payload, size, account, best_effort=best_effort)
        pending = self.ledger.pending
        if done is DONE and pending >= self._much:
            is_turn = self.ledger.total.accepted % TURN == 0 or pending >= self._too_much
            return YIELD if is_turn else DONE
        return done

    def _patience(self) -> float:
        patience = super()._patience()
        return patience if asyncio._get_running_loop() is None else min(patience, LOOP_PATIENCE)

    async def _submit_with_room(self, payload: bytes | AnyEvent, size: int, account: Account) -> None:
        until = clock() + self.settings.block_timeout
        while True:
            if self.is_absent:
                self._attend()
            room, notify = _signal()
            self._waiting_for_room.append(notify)
            try:
                if self.intake.put(payload, size, account):
                    break
                await asyncio.wait({room}, timeout=min(max(0.0, until - clock()), LOOK_AGAIN))
            finally:
                self._waiting_for_room.remove(notify)
            if clock() >= until:
                self._overflow(payload, size, account)
                break
        if self.is_absent:
            self._attend()

    def _room_made(self) -> None:
        super()._room_made()
        for notify in self._waiting_for_room[:]:
            notify()

    async def flush(
        self, timeout: float | None, account: Account | None = None, *, ending: bool = False
    ) -> FlushResult:
        self.check_process()
        self._home = asyncio.get_running_loop()
        done, notify = _signal()
        waiter = self.ledger.wait(account, notify)
        if waiter is None or self.is_own_thread():
            return self.ledger.result(account)
        began = clock()
        until = began + self.wait_limit(timeout)
        if ending and self.ending.was_just_waited_for():
            until = began
        try:
            self.flush_soon(waiter.last)
            while not done.done() and (left := until - clock()) > 0:
                self._attend_here()
                await asyncio.wait({done}, timeout=min(left, LOOK_AGAIN))
                if ending and self.ending.is_hopeless(began):
                    break
        finally:
            self.ledger.cancel(waiter)
        if ending and (account or self.ledger.total).pending:
            self.ending.waited_in_vain()
        return self.ledger.result(account)

    async def close(self, timeout: float, *, ending: bool = False) -> FlushResult:
        self.check_process()
        if self.closed:
            return self._closed_with()
        self._home = asyncio.get_running_loop()
        self._begin_closing(min(timeout, LONGEST_TIMEOUT), ending=ending)
        if self.is_own_thread():  # an error handler closes; the sender continues after it
            shutdown.closing_was_cut_short(self)
            return self._closed_with()
        try:
            if self.has_sender() or self.ledger.pending:
                self._attend_here()
                done, notify = _signal()
                if self.call_when_ended(notify):
                    while not done.done() and (left := self.ending.deadline + GRACE - clock()) > 0:
                        await asyncio.wait({done}, timeout=min(left, LOOK_AGAIN))
            self._give_up_rest()
            with contextlib.suppress(asyncio.TimeoutError):
                async with limit(GRACE):
                    await self._report_all()
        except BaseException:  # usually a cancellation
            shutdown.closing_was_cut_short(self)
            raise
        return self._closed_with()

    def _attend_here(self) -> None:
        """Start the sender unless it runs. If the ending program cannot start threads, deliver on this one."""
        if not self.ensure_sender() and shutdown.began is not None:
            self.deliver_here(self.ending.deadline)

    def _open_transport(self) -> Transport:
        loop = asyncio._get_running_loop()
        if loop is None:
            return LoopTransport(self.settings, self._home)
        # An exit handler runs a loop on this thread, the last one, so only this thread can deliver.
        loop.slow_callback_duration = LONGEST_TIMEOUT
        from attrs import evolve  # noqa: PLC0415

        from ..transport.blocking import BlockingTransport  # noqa: PLC0415  few programs get here

        return BlockingTransport(evolve(self.settings, http_client=None))

    # -- reporting

    def report_losses(self) -> None:
        """Call the error handlers in order, on the loop that uses the client, or here if that has ended."""
        if not self.ledger.has_losses:
            return
        home = self._home
        if home is not None and home.is_running():
            with contextlib.suppress(RuntimeError):  # it was closed just now
                home.call_soon_threadsafe(self._start_reporting)
                return
        super().report_losses()

    def _start_reporting(self) -> None:
        if self._report_task is None or self._report_task.done():
            self._report_task = asyncio.Task(
                self._report_all(), loop=asyncio.get_running_loop(), name="mindlytics-on-error"
            )

    async def _report_all(self) -> None:
        """Call the error handlers. If one fails, log a warning."""
        while self.ledger.has_losses:
            for handler, error in self._losses():
                try:
                    await call(handler, error)
                except BaseException as failure:
                    if is_to_end(failure):
                        raise
                    self._handler_failed(failure)


def _signal() -> tuple[asyncio.Future[None], Callable[[], None]]:
    """A future of the running loop, and a function that resolves it from any thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def notify() -> None:
        with contextlib.suppress(RuntimeError):  # the loop that waited is closed
            loop.call_soon_threadsafe(resolve)

    return future, notify
