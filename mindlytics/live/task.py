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
from .subscription import FOREVER, GRACE, Subscription


class TaskListening:
    """A subscription, and the task that serves it. If its loop ends, a task on the next loop continues."""

    def __init__(self, settings: Settings, subscription: Subscription) -> None:
        self.subscription = subscription
        self._settings = settings
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._listener: Listener | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Start the task, if a loop runs here and the task does not."""
        loop = _running_loop()
        if loop is not None and not self.subscription.is_over and not self._is_at_work():
            self._loop = loop
            self._listener = Listener(self._settings, self.subscription, self._changed, own_loop=False)
            # Made without the loop's task factory: an eager task would run handlers inside this call.
            self._task = asyncio.Task(self._listener.run(), loop=loop, name="mindlytics-listener")
            self._task.add_done_callback(self._done)

    async def wait(self, condition: Callable[[], object], timeout: float) -> None:
        """Wait until the condition holds or the subscription is over, ``timeout`` seconds at most.

        Returns at once in a handler, which would wait for itself.
        """
        until = time.monotonic() + min(timeout, FOREVER)
        while self._may_wait() and not condition() and not self._is_over():
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
        """Wait until the session's end has arrived."""
        self.subscription.is_awaited = True
        self.start()
        if self._listener is not None and self._may_wait():
            self._listener.shorten_pauses()
        await self.wait(lambda: self.subscription.has_ended, timeout)

    def cancel(self) -> None:
        """Ask the task to end. Only the first call does so, since a second one would interrupt its clean-up."""
        if self.subscription.is_over:
            return
        self.subscription.is_over = True
        if self._may_wait():
            assert self._task is not None
            self._task.cancel()
        elif self._is_at_work() and self._loop is not _running_loop() and self._process == os.getpid():
            assert self._loop is not None
            assert self._task is not None
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def stop(self, timeout: float = GRACE) -> None:
        """Cancel it and wait until it has ended, ``timeout`` seconds at most."""
        self.cancel()
        if self._task is not None and self._may_wait():
            await asyncio.wait({self._task}, timeout=timeout)

    async def events(self) -> AsyncIterator[MLEvent]:
        """Iterate over the events in the mailbox as they come, until the subscription is over.

        :raises LiveError: the service refuses.
        """
        mailbox = self.subscription.mailbox
        self.start()
        try:
            while True:
                await self.wait(lambda: mailbox, FOREVER)
                if mailbox:
                    yield mailbox.popleft()
                elif self.subscription.failure is not None:
                    raise self.subscription.failure
                elif self._is_over() or not self._may_wait():
                    return
        finally:
            await self.stop()

    def _may_wait(self) -> bool:
        """Whether its loop runs here, and the caller is another task."""
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
