"""A listener as a task on the caller's loop: for the asyncio face."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from ..settings import Settings
from .event import MLEvent
from .listener import Listener
from .subscription import GRACE, LONGEST_WAIT, Subscription


class TaskListening:
    """A subscription, and the task that serves it. Where its loop has ended, the next one goes on."""

    def __init__(self, settings: Settings, subscription: Subscription) -> None:
        self.subscription = subscription
        self._settings = settings
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._listener: Listener | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Start the task, where a loop runs and none is at work there."""
        loop = _running_loop()
        if loop is not None and not self.subscription.is_over and not self._is_at_work():
            self._loop = loop
            self._listener = Listener(self._settings, self.subscription, self._changed, own_loop=False)
            self._task = asyncio.Task(self._listener.run(), loop=loop, name="mindlytics-listener")  # never an eager one
            self._task.add_done_callback(self._done)

    async def wait(self, condition: Callable[[], object], timeout: float) -> None:
        """Until the condition holds or the subscription is over, ``timeout`` seconds at most.

        Not in a handler, which would keep what it waits for from coming about.
        """
        until = time.monotonic() + min(timeout, LONGEST_WAIT)
        while self._serves_another() and not condition() and not self._is_over():
            left = until - time.monotonic()
            if left <= 0:
                return
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            try:
                await asyncio.wait({change}, timeout=left)
            finally:
                self._waiting.remove(change)

    async def wait_for_end(self, timeout: float) -> None:
        """Until the session's end was handed over."""
        self.subscription.is_awaited = True
        self.start()
        if self._listener is not None and self._serves_another():
            self._listener.hurry()
        await self.wait(lambda: self.subscription.has_ended, timeout)

    def cancel(self) -> None:
        """Tell it to end, once: a second time would disturb it while it says goodbye."""
        if self.subscription.is_over:
            return
        self.subscription.is_over = True
        if self._serves_another():
            assert self._task is not None
            self._task.cancel()
        elif self._is_at_work() and self._loop is not _running_loop() and self._process == os.getpid():
            assert self._loop is not None
            assert self._task is not None
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def stop(self, timeout: float = GRACE) -> None:
        """The same, and wait until it has ended; a handler that holds it up is not waited for beyond the time."""
        self.cancel()
        if self._task is not None and self._serves_another():
            await asyncio.wait({self._task}, timeout=timeout)

    async def events(self) -> AsyncIterator[MLEvent]:
        """The events of the mailbox as they come, until the subscription is over.

        :raises LiveError: the service refuses.
        """
        mailbox = self.subscription.mailbox
        self.start()
        try:
            while True:
                await self.wait(lambda: mailbox, LONGEST_WAIT)
                if mailbox:
                    yield mailbox.popleft()
                elif self.subscription.failure is not None:
                    raise self.subscription.failure
                elif self._is_over() or not self._serves_another():
                    return
        finally:
            await self.stop()

    def _serves_another(self) -> bool:
        """Whether it is at work on the loop that runs here, and not what is calling."""
        here = self._loop is not None and self._loop is _running_loop() and self._process == os.getpid()
        return here and self._task is not asyncio.current_task()

    def _is_at_work(self) -> bool:
        return self._task is not None and not self._task.done() and self._loop is not None and self._loop.is_running()

    def _is_over(self) -> bool:
        return self.subscription.is_over or self._task is None or self._task.done()

    def _changed(self) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_result(None)

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.subscription.fail(error)
        self._changed()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
