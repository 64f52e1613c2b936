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
from .subscription import GRACE, LONGEST_WAIT, Subscription

if TYPE_CHECKING:
    import asyncio

    from .listener import Listener

_alive: WeakSet[ThreadListening] = WeakSet()


class ThreadListening:
    """A subscription, and the daemon thread that serves it. In a forked child there is none."""

    def __init__(self, settings: Settings, subscription: Subscription) -> None:
        self.subscription = subscription
        self._settings = evolve(settings, http_client=None)  # a requests.Session knows no WebSockets
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
        """Until the condition holds or the subscription is over, ``timeout`` seconds at most.

        Not in a handler, which would keep what it waits for from coming about.
        """
        if self._serves_another():
            with self._condition:
                self._condition.wait_for(lambda: condition() or self._is_over(), min(timeout, LONGEST_WAIT))

    def wait_for_end(self, timeout: float) -> None:
        """Until the session's end was handed over."""
        self.subscription.is_awaited = True
        if self._listener is not None:
            self._call(self._listener.hurry)
        self.wait(lambda: self.subscription.has_ended, timeout)

    def cancel(self) -> None:
        """Tell it to end, once: a second time would disturb it while it says goodbye."""
        if self.subscription.is_over:
            return
        self.subscription.is_over = True
        if self._task is not None and self._serves_another():
            self._call(self._task.cancel)

    def stop(self, timeout: float = GRACE) -> None:
        """The same, and wait until it has ended; a handler that holds it up is not waited for beyond the time."""
        self.cancel()
        if self._serves_another() and self._thread is not None:
            self._thread.join(timeout)

    def events(self) -> Iterator[MLEvent]:
        """The events of the mailbox as they come, until the subscription is over.

        :raises LiveError: the service refuses.
        """
        mailbox = self.subscription.mailbox
        self.start()
        try:
            while self._thread is not None:
                self.wait(lambda: mailbox, LONGEST_WAIT)
                if mailbox:
                    yield mailbox.popleft()
                elif self.subscription.failure is not None:
                    raise self.subscription.failure
                elif self._is_over():
                    return
        finally:
            self.stop()

    def _serves_another(self) -> bool:
        """Whether it is at work for this process, and not what is calling here."""
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
        """The thread."""
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

            asyncio.run(listen(), debug=False)  # nobody minds a slow step: the loop is ours alone
        except Exception as error:
            self.subscription.fail(error)
        finally:
            self.subscription.is_over = True
            self._changed()


def _at_exit() -> None:
    """Threads that call handlers while the interpreter is taken apart would take its output along."""
    until = time.monotonic() + GRACE
    with fork.listening:
        listening = list(_alive)
    for each in listening:
        each.cancel()
    for each in listening:
        each.stop(max(0.0, until - time.monotonic()))


shutdown.first.append(_at_exit)
