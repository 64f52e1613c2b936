"""The asyncio face of Align AI. Importing it imports all that sending needs, so that your loop never waits for that."""

from __future__ import annotations

from collections.abc import Awaitable
from types import TracebackType

from ..delivery.account import FlushResult
from ..pipeline.asyncio import AsyncPipeline
from .base import BaseAlignAI, has_protobuf

if has_protobuf():  # otherwise making a client raises
    from . import wire as align  # noqa: F401


class AsyncAlignAI(BaseAlignAI[AsyncPipeline, Awaitable[None]]):
    """Records sessions, messages, users and feedback for Align AI, and delivers them in the background.

    A call has queued its event when it returns. Awaiting its result gives the loop a turn, and waits for room if the
    queue is full. Use the client as a context manager, or :meth:`close` it.
    """

    _pipeline_type = AsyncPipeline

    async def flush(self, timeout_seconds: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout_seconds: seconds to wait at most. Default: ``flush_timeout_seconds`` of the config, 5.
        :returns: the account. ``pending`` is above 0 if the time was too short.
        """
        return await self.pipeline.flush(self._limit(timeout_seconds))

    async def close(self, timeout_seconds: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. Later events are dropped and counted. Closing twice is harmless.

        :param timeout_seconds: seconds to wait at most. Default: ``flush_timeout_seconds`` of the config, 5.
        :returns: the account.
        """
        result: FlushResult = await self._close(self._limit(timeout_seconds), ending=timeout_seconds is None)
        return result

    async def __aenter__(self) -> AsyncAlignAI:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
