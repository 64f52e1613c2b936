"""The asyncio face: you await what waits. The pipeline sends on a thread of its own.

Importing it imports all that sending needs, so that your loop never waits for that.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import TypeVar

from . import wire as mindlytics  # noqa: F401
from .annotations import Awaited, JsonObject, Self
from .arguments import reports_missing
from .base import BaseClient
from .delivery.account import FlushResult
from .errors import ClientClosed, LiveError, OnError
from .http import AsyncHTTPClient
from .live.event import MLEvent
from .live.subscription import GRACE, Subscription
from .live.task import TaskListening
from .pipeline.asyncio import AsyncPipeline
from .pipeline.waiting import LONGEST_TIMEOUT
from .service import total
from .session import BaseSession
from .session_state import Properties

T = TypeVar("T")


class AsyncSession(BaseSession[Awaited[None], Awaited[str]]):
    """A session whose calls have queued their event when they return. Awaiting them gives the loop a turn."""

    __slots__ = ()
    _client: AsyncClient
    _live: TaskListening | None

    def _all(self, done: list[Awaited[None]]) -> Awaited[None]:
        return _All(done)

    def _answer(self, done: Awaited[None], id: str) -> Awaited[str]:
        return _Answer(done, id)

    async def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending of this session and wait until the service has answered.

        If the session has an ``on_event`` and has ended, this also waits for its ``Session Ended``, ``live_timeout``
        seconds at most.

        :param timeout: seconds to wait at most. None waits until every event is settled.
        :returns: the session's account. ``pending`` is above 0 if the time was too short.
        """
        until = time.monotonic() + (LONGEST_TIMEOUT if timeout is None else timeout)
        result = await self.flush_and_continue(timeout)
        await self._see_its_end(until - time.monotonic())
        return result

    async def flush_and_continue(self, timeout: float | None = None) -> FlushResult:
        """Like :meth:`flush`, without waiting for live events. You can use the session after either."""
        return await self._flush(timeout)

    async def _flush(self, timeout: float | None, *, ending: bool = False) -> FlushResult:
        places = zip(self._client._each(timeout), self._accounts(), strict=False)
        return total([await each.pipeline.flush(left, account, ending=ending) for (each, left), account in places])

    async def _see_its_end(self, timeout: float) -> None:
        """After the last flush, wait for the session's end as a live event, then stop listening."""
        live = self._live
        if live is not None and self._is_to_see_its_end():
            await live.wait_for_end(min(timeout, self._client.settings.live_timeout))
            if live.subscription.has_ended:
                await live.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session and wait for its delivery, ``shutdown_timeout`` seconds at most.

        With an ``on_event``, it also waits for the ``Session Ended``, ``live_timeout`` seconds at most.
        """
        if not self._used:
            return
        try:
            try:
                await self.end_session()
            except ClientClosed:
                if kind is None:
                    raise
            await self._flush(self._client.settings.shutdown_timeout, ending=True)
            if kind is None or issubclass(kind, Exception):
                await self._see_its_end(self._client.settings.live_timeout)
        finally:
            if self._live is not None:
                self._live.cancel()


class AsyncClient(BaseClient[AsyncPipeline, AsyncSession, TaskListening]):
    """Records sessions and delivers them in the background.

    Use it as a context manager, or :meth:`close` it. A program that just ends delivers what is pending as well.
    """

    _pipeline_type = AsyncPipeline
    _session_type = AsyncSession
    _http: AsyncHTTPClient | None = None

    async def user_identify(
        self, *, id: str | None = None, device_id: str | None = None, traits: Properties | None = None
    ) -> JsonObject:
        """Identify a user, or merge traits into a known one's, at once and outside of any session.

        :param id: the user's id. This or ``device_id`` is required.
        :param traits: strings, numbers and booleans by name. They replace traits of the same name.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return await self._direct().identify(self._identify_body(id, device_id, traits))

    @reports_missing
    async def user_alias(self, *, id: str, previous_id: str) -> JsonObject:
        """Give a user a new id, at once and outside of any session. The earlier ones stay as aliases.

        :param id: the new id.
        :param previous_id: the id under which the service knows the user.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return await self._direct().alias(self._alias_body(id, previous_id))

    async def start_listening(
        self,
        on_event: Callable[[MLEvent], object],
        on_error: Callable[[LiveError], object] | None = None,
        *,
        session_id: str | None = None,
    ) -> None:
        """Call ``on_event`` with live events from now on, until :meth:`stop_listening` or :meth:`close`.

        Returns once it is connected, or after ``request_timeout`` seconds. Then it keeps trying in the background.

        :param on_event: a function or coroutine function. It is called with each ``MLEvent``.
        :param on_error: called with a ``LiveError`` for each problem that the service reports, and with exceptions
            of ``on_event``.
        :param session_id: listen to this session only. Default: the whole project.
        :raises InvalidEvent: an argument breaks a rule.
        :raises LiveError: the service refuses.
        :raises ClientClosed: the client is closed.
        """
        await self._listen(session_id, on_event, on_error)

    async def _listen(
        self, session_id: str | None, on_event: Callable[[MLEvent], object], on_error: OnError | None
    ) -> TaskListening:
        """Start a listener, and wait until it is connected."""
        listening = self._start_listening(session_id, on_event, on_error)
        try:
            await listening.wait(lambda: listening.subscription.is_connected, self.settings.request_timeout)
            if listening.subscription.failure is not None:
                raise listening.subscription.failure
        except BaseException:
            self._no_longer(listening)
            raise
        return listening

    async def stop_listening(self) -> None:
        """Stop everything that :meth:`start_listening` started, if anything."""
        while self._started:
            await self._started.pop().stop()

    def events(self, session_id: str | None = None) -> AsyncIterator[MLEvent]:
        """Iterate over live events from now on, until you leave the loop or close the client.

        A problem that the service reports is an event too, named ``MLError``.

        :param session_id: listen to this session only. Default: the whole project.
        :raises InvalidEvent: an argument breaks a rule.
        :raises LiveError: the service refuses. The iteration raises it.
        :raises ClientClosed: the client is closed.
        """
        return self._begin_listening(session_id, None, None).events()

    async def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout: seconds to wait at most. None waits until every event is settled.
        :returns: the account. ``pending`` is above 0 if the time was too short.
        """
        return total([await each.pipeline.flush(left) for each, left in self._each(timeout)])

    async def close(self, timeout: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. Later events are dropped and counted. Closing twice is harmless.

        :param timeout: seconds to wait at most. Default: ``shutdown_timeout``.
        :returns: the account.
        """
        ending = timeout is None
        if timeout is None:
            timeout = self.settings.shutdown_timeout
        until = time.monotonic() + timeout
        if self._http is not None:
            await self._http.close()
        result = total([await each._close(left, ending=ending) for each, left in self._each(timeout)])
        await self._hang_up(until)
        return result

    async def _hang_up(self, until: float) -> None:
        """Stop all listeners. Those of ended sessions first wait until then for the session's end."""
        listenings = self._all_listenings()
        try:
            for listening in listenings:
                if listening.subscription.ends_asked:
                    await listening.wait_for_end(until - time.monotonic())
        finally:
            for listening in listenings:
                listening.cancel()
        over = time.monotonic() + GRACE
        for listening in listenings:
            await listening.stop(max(0.0, over - time.monotonic()))

    def _listening(self, subscription: Subscription) -> TaskListening:
        return TaskListening(self.settings, subscription)

    def _direct(self) -> AsyncHTTPClient:
        if self._http is None:
            self._http = AsyncHTTPClient._of(self.settings)
        return self._http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Queued(Awaited[T]):
    """What a call returns whose event is queued already: a coroutine that you need not await."""

    __slots__ = ("_steps",)

    _steps: Generator[object, object, T]

    def send(self, value: object) -> object:
        return self._begun().send(value)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> object:
        return self._begun().throw(value if isinstance(value, BaseException) else kind)

    def close(self) -> None:
        self._begun().close()

    def _begun(self) -> Generator[object, object, T]:
        if not hasattr(self, "_steps"):
            self._steps = self.__await__()
        return self._steps


class _Answer(_Queued[str]):
    """An id that is known already. Awaiting it awaits the event's own coroutine first."""

    __slots__ = ("_done", "_id")

    def __init__(self, done: Awaited[None], id: str) -> None:
        self._done = done
        self._id = id

    def __await__(self) -> Generator[object, object, str]:
        yield from self._done.__await__()
        return self._id


class _All(_Queued[None]):
    """The results of several calls, awaited in order."""

    __slots__ = ("_done",)

    def __init__(self, done: list[Awaited[None]]) -> None:
        self._done = done

    def __await__(self) -> Generator[object, object, None]:
        for each in self._done:
            yield from each.__await__()
