"""A listener on a thread of its own, with a loop of its own: for the blocking face."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from attrs import evolve

from ..pipeline import fork, shutdown
from ..settings import Settings
from .event import MLEvent
from .subscription import FOREVER, GRACE, Subscription

if TYPE_CHECKING:
    import asyncio

    from .listener import Listener

_alive: WeakSet[ThreadListening] = WeakSet()


class ThreadListening:
    """A subscription, and the daemon thread that serves it. A forked child has none."""

    def __init__(self, settings: Settings, subscription: Subscription) -> None:
        self.subscription = subscription
        self._settings = evolve(settings, http_client=None)  # a requests.Session cannot open WebSockets
        self._process = os.getpid()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._listener: Listener | None = None

    def start(self) -> None:
        """Start the thread, unless the program is ending or it was started before."""
        if self._thread is None and not self.subscription.is_over and shutdown.began is None:
            self._thread = threading.Thread(target=self._work, name="mindlytics-listener", daemon=True)
            try:
                self._thread.start()
                with fork.listening:
                    _alive.add(self)
            except RuntimeError:
                self._thread = None

    def wait(self, condition: Callable[[], object], timeout: float) -> None:
        """Wait until the condition holds or the subscription is over, ``timeout`` seconds at most.

        Returns at once in a handler, which would wait for itself.
        """
        if self._may_wait():
            with self._condition:
                self._condition.wait_for(lambda: condition() or self._is_over(), min(timeout, FOREVER))

    def wait_for_end(self, timeout: float) -> None:
        """Wait until the session's end has arrived."""
        self.subscription.is_awaited = True
        if self._listener is not None:
            self._call(self._listener.shorten_pauses)
        self.wait(lambda: self.subscription.has_ended, timeout)

    def cancel(self) -> None:
        """Ask the thread to end. Only the first call does so, since a second one would interrupt its clean-up."""
        if self.subscription.is_over:
            return
        self.subscription.is_over = True
        if self._task is not None and self._may_wait():
            self._call(self._task.cancel)

    def stop(self, timeout: float = GRACE) -> None:
        """Cancel it and wait until it has ended, ``timeout`` seconds at most."""
        self.cancel()
        if self._may_wait() and self._thread is not None:
            self._thread.join(timeout)

    def events(self) -> Iterator[MLEvent]:
        """Iterate over the events in the mailbox as they come, until the subscription is over.

        :raises LiveError: the service refuses.
        """
        mailbox = self.subscription.mailbox
        self.start()
        try:
            while self._thread is not None:
                self.wait(lambda: mailbox, FOREVER)
                if mailbox:
                    yield mailbox.popleft()
                elif self.subscription.failure is not None:
                    raise self.subscription.failure
                elif self._is_over():
                    return
        finally:
            self.stop()

    def _may_wait(self) -> bool:
        """Whether this process started it, and the caller is another thread."""
        return self._process == os.getpid() and threading.current_thread() is not self._thread

    def _is_over(self) -> bool:
        return self.subscription.is_over or self._thread is None or not self._thread.is_alive()

    def _call(self, function: Callable[[], object]) -> None:
        """Call it on the listener's loop, if that runs."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function)

    def _changed(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _work(self) -> None:
        """The thread's function."""
        try:
            with fork.importing:
                import asyncio  # noqa: PLC0415

                from .listener import Listener  # noqa: PLC0415  aiohttp takes a while to import

            async def listen() -> None:
                self._listener = Listener(self._settings, self.subscription, self._changed, own_loop=True)
                self._task = asyncio.current_task()
                self._loop = asyncio.get_running_loop()
                with suppress(asyncio.CancelledError):
                    await self._listener.run()

            asyncio.run(listen(), debug=False)  # debug mode warns of slow steps, which delay only us
        except Exception as error:
            self.subscription.fail(error)
        finally:
            self.subscription.is_over = True
            self._changed()


def _at_exit() -> None:
    """Stop all listeners. A handler that prints while the interpreter shuts down could break its output."""
    until = time.monotonic() + GRACE
    with fork.listening:
        listening = list(_alive)
    for each in listening:
        each.cancel()
    for each in listening:
        each.stop(max(0.0, until - time.monotonic()))


shutdown.first.append(_at_exit)
