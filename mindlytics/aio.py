"""The asyncio face: what waits is awaited. Sending is the pipeline's, in a task of its own.

Whatever sending needs is imported with this module: an import while a loop runs would hold the loop up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .base import BaseClient
from .delivery.ledger import FlushResult
from .errors import ClientClosed
from .events import Event
from .pipeline import lifecycle
from .pipeline.task import TaskPipeline
from .session import REQUIRED, BaseSession, Properties
from .wire import mindlytics  # noqa: F401

if TYPE_CHECKING:
    from .http import AsyncHTTPClient


class AsyncSession(BaseSession[Awaitable[None], Awaitable[str]]):
    """A session whose calls have done their work when they return; awaiting them lets the loop have a turn."""

    __slots__ = ()

    def _submit(self, event: Event) -> Awaitable[None]:
        client = self._client
        done: Awaitable[None] = client.pipeline.submit(event, self._account, client.is_closed)
        return done

    def _submit_all(self, *events: Event) -> Awaitable[None]:
        return _All([self._submit(event) for event in events])

    def _answer(self, done: Awaitable[None], id: str) -> Awaitable[str]:
        return _Answer(done, id)

    async def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending of this session and wait until the service has answered.

        :param timeout: seconds to wait at most; None waits until every event is settled.
        :returns: how the session's account stands; ``pending`` is above 0 where the time was too short.
        """
        result: FlushResult = await self._client.pipeline.flush(timeout, self._account)
        return result

    async def flush_and_continue(self, timeout: float | None = None) -> FlushResult:
        """The same as :meth:`flush`; a session goes on after either."""
        return await self.flush(timeout)

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session and wait for its delivery, ``shutdown_timeout`` seconds at most."""
        if not self._used:
            return
        try:
            await self.end_session()
        except ClientClosed:
            if kind is None:
                raise
        await self.flush(self._client.settings.shutdown_timeout)


class AsyncClient(BaseClient[TaskPipeline, AsyncSession]):
    """Records sessions and delivers them in the background.

    Use it as a context manager, or :meth:`close` it; a program that just ends delivers what is pending as well.
    The arguments are those of :class:`~mindlytics.base.BaseClient`.
    """

    _pipeline_type = TaskPipeline
    _session_type = AsyncSession
    _http: AsyncHTTPClient | None = None

    async def user_identify(
        self, *, id: str | None = None, device_id: str | None = None, traits: Properties | None = None
    ) -> dict[str, Any]:
        """Make a user known, or merge traits into a known one's, at once and outside of any session.

        :param id: the user's id; this or ``device_id`` is required.
        :param traits: strings, numbers and booleans by name; one of the same name is overwritten.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service said no, or could not be reached.
        """
        return await self._direct().identify(self._identify_body(id, device_id, traits))

    async def user_alias(self, *, id: str = REQUIRED, previous_id: str = REQUIRED) -> dict[str, Any]:
        """Give a user a new id, at once and outside of any session; the earlier ones stay as aliases.

        :param id: the new id.
        :param previous_id: the id under which the user is known.
        :returns: the user, as the service has it now.
        :raises InvalidEvent: an argument breaks a rule.
        :raises MLHTTPError: the service said no, or could not be reached.
        """
        return await self._direct().alias(self._alias_body(id, previous_id))

    async def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout: seconds to wait at most; None waits until every event is settled.
        :returns: how the account stands; ``pending`` is above 0 where the time was too short.
        """
        return await self.pipeline.flush(timeout)

    async def close(self, timeout: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. What comes later is dropped and counted; closing twice is harmless.

        :param timeout: seconds to wait at most; default ``shutdown_timeout``.
        :returns: how the account stands.
        """
        if timeout is None:
            timeout = self.settings.shutdown_timeout
        if self._http is not None:
            await self._http.close()
        if self._leave():
            await self.pipeline.close(timeout)
            lifecycle.remember(self.pipeline)
            return self.pipeline.ledger.result()
        return await self.pipeline.flush(timeout)

    def _direct(self) -> AsyncHTTPClient:
        from .http import AsyncHTTPClient  # noqa: PLC0415  aiohttp takes a while to import

        if self._http is None:
            self._http = AsyncHTTPClient.of(self.settings)
        return self._http

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Answer:
    """An id that is known already; awaiting it gives it, after what the event's own awaitable asks for."""

    __slots__ = ("_done", "_id")

    def __init__(self, done: Awaitable[None], id: str) -> None:
        self._done = done
        self._id = id

    def __await__(self) -> Generator[Any, None, str]:
        yield from self._done.__await__()
        return self._id


class _All:
    """Several events of one call, awaited in order."""

    __slots__ = ("_done",)

    def __init__(self, done: list[Awaitable[None]]) -> None:
        self._done = done

    def __await__(self) -> Generator[Any, None, None]:
        for each in self._done:
            yield from each.__await__()
