"""The asyncio face of Align AI. What sending needs is imported with this module: no loop should wait for it."""

from __future__ import annotations

from collections.abc import Awaitable
from types import TracebackType

from ..delivery.ledger import FlushResult
from ..pipeline.asyncio import AsyncPipeline
from .base import BaseAlignAI, has_protobuf

if has_protobuf():  # else making a client says so
    from . import wire as align  # noqa: F401


class AsyncAlignAI(BaseAlignAI[AsyncPipeline, Awaitable[None]]):
    """Records sessions, messages, users and feedback for Align AI, and delivers them in the background.

    The calls have queued their event when they return; awaiting what they hand back gives the loop a turn, and counts
    only where the queue is full. Use it as a context manager, or :meth:`close` it.
    The arguments are those of :class:`~mindlytics.align.base.BaseAlignAI`.
    """

    _pipeline_type = AsyncPipeline

    async def flush(self, timeout_seconds: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout_seconds: seconds to wait at most; default ``flush_timeout_seconds`` of the config, 5.
        :returns: how the account stands; ``pending`` is above 0 where the time was too short.
        """
        return await self.pipeline.flush(self._limit(timeout_seconds))

    async def close(self, timeout_seconds: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. What comes later is dropped and counted; closing twice is harmless.

        :param timeout_seconds: seconds to wait at most; default ``flush_timeout_seconds`` of the config, 5.
        :returns: how the account stands.
        """
        result: FlushResult = await self._close(self._limit(timeout_seconds), ending=timeout_seconds is None)
        return result

    async def __aenter__(self) -> AsyncAlignAI:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
