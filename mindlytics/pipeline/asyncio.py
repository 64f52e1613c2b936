"""The asyncio face's pipeline: it posts through aiohttp, and whoever waits does so without holding the loop up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ..callbacks import call, is_to_end
from ..delivery import retry  # noqa: F401  what the sender imports is imported with this module
from ..delivery.ledger import Account, FlushResult
from ..delivery.verdict import Wire
from ..events import AnyEvent
from ..settings import Settings
from ..transport.limit import timeout as limit
from ..transport.loop import LoopTransport
from . import shutdown
from .base import Pipeline
from .sender import GRACE, LONGEST_WAIT, Transport, clock

LOOK_AGAIN = 0.25
"""Seconds after which a wait is looked at again."""

TURN = 16
"""Of so many awaited calls, one gives the loop a turn while a batch is pending; once the queue is half full, each."""


class Done(Coroutine[Any, Any, None]):
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


class QueuedYield(Done):
    """The same while much is pending: awaiting it lets the loop have a turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield


DONE = Done()
YIELD = QueuedYield()


class AsyncPipeline(Pipeline):
    """The pipeline behind :class:`mindlytics.AsyncClient`. It belongs to no loop."""

    is_async = True
    done = DONE

    def __init__(self, settings: Settings, make_wire: Callable[[], Wire]) -> None:
        self._home: asyncio.AbstractEventLoop | None = None
        """The loop that was last seen to use it: there, error handlers are called."""
        self._teller: asyncio.Task[None] | None = None
        self._waiting_for_room: list[Callable[[], None]] = []
        self._much, self._too_much = settings.max_batch_events, settings.max_queue_events // 2
        super().__init__(settings, make_wire)

    def renew(self) -> None:
        self._home = self._teller = None
        self._waiting_for_room = []
        super().renew()

    def submit(self, payload: bytes | AnyEvent, size: int, account: Account, *, best_effort: bool = False) -> Any:
        loop = asyncio._get_running_loop()
        if loop is not None and not (self._is_posting and self.is_own_thread()):  # which runs a loop of its own
            self._home = loop
        done = super().submit(payload, size, account, best_effort=best_effort)
        pending = self.ledger.pending
        if done is DONE and pending >= self._much:
            is_turn = self.ledger.total.accepted % TURN == 0 or pending >= self._too_much
            return YIELD if is_turn else DONE
        return done

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
        if ending and self.was_just_waited_for():
            until = began
        try:
            self.flush_soon(waiter.last)
            while not done.done() and (left := until - clock()) > 0:
                self._attend_here()
                await asyncio.wait({done}, timeout=min(left, LOOK_AGAIN))
                if ending and self.is_hopeless(began):
                    break
        finally:
            self.ledger.cancel(waiter)
        if ending and (account or self.ledger.total).pending:
            self.waited_in_vain()
        return self.ledger.result(account)

    async def close(self, timeout: float, *, ending: bool = False) -> FlushResult:
        self.check_process()
        if self.closed:
            return self._closed_with()
        self._home = asyncio.get_running_loop()
        self._begin_closing(min(timeout, LONGEST_WAIT), ending=ending)
        if self.is_own_thread():  # an error handler closes: the sender goes on after it
            shutdown.closing_was_cut_short(self)
            return self._closed_with()
        try:
            if self.has_sender() or self.ledger.pending:
                self._attend_here()
                done, notify = _signal()
                if self.call_when_ended(notify):
                    while not done.done() and (left := self.deadline + GRACE - clock()) > 0:
                        await asyncio.wait({done}, timeout=min(left, LOOK_AGAIN))
            self._give_up_rest()
            with contextlib.suppress(asyncio.TimeoutError):
                async with limit(GRACE):
                    await self._tell()
        except BaseException:  # cancellation above all
            shutdown.closing_was_cut_short(self)
            raise
        return self._closed_with()

    def _attend_here(self) -> None:
        """See to it that a sender is at work. Where the ending program can have none, this thread delivers."""
        if not self.ensure_sender() and shutdown.began is not None:
            self.deliver_here(self.deadline)

    def _open_transport(self) -> Transport:
        loop = asyncio._get_running_loop()
        if loop is None:
            return LoopTransport(self.settings, self._home)
        # An exit handler runs a loop on this thread, which is the last one: nothing else can deliver any more.
        loop.slow_callback_duration = LONGEST_WAIT
        from attrs import evolve  # noqa: PLC0415

        from ..transport.blocking import BlockingTransport  # noqa: PLC0415  few programs come here

        return BlockingTransport(evolve(self.settings, http_client=None))

    # -- what is said

    def report_losses(self) -> None:
        """Have the error handlers called on the loop that uses the client, in order; here, where it has ended."""
        if not self.ledger.has_losses:
            return
        home = self._home
        if home is not None and home.is_running():
            with contextlib.suppress(RuntimeError):  # it was closed just now
                home.call_soon_threadsafe(self._begin_telling)
                return
        super().report_losses()

    def _begin_telling(self) -> None:
        if self._teller is None or self._teller.done():
            self._teller = asyncio.Task(self._tell(), loop=asyncio.get_running_loop(), name="mindlytics-on-error")

    async def _tell(self) -> None:
        """Call the error handlers. One that fails harms nothing."""
        while self.ledger.has_losses:
            for handler, error in self._losses():
                try:
                    await call(handler, error)
                except BaseException as failure:
                    if is_to_end(failure):
                        raise
                    self._handler_failed(failure)


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
