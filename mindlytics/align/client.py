"""The blocking face of Align AI."""

from __future__ import annotations

from types import TracebackType

from ..delivery.ledger import FlushResult
from ..pipeline.blocking import BlockingPipeline
from .base import BaseAlignAI


class AlignAI(BaseAlignAI[BlockingPipeline, None]):
    """Records sessions, messages, users and feedback for Align AI, and delivers them in the background.

    Use it as a context manager, or :meth:`close` it; a program that just ends delivers what is pending as well.
    The arguments are those of :class:`~mindlytics.align.base.BaseAlignAI`.
    """

    _pipeline_type = BlockingPipeline

    def flush(self, timeout_seconds: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout_seconds: seconds to wait at most; default ``flush_timeout_seconds`` of the config, 5.
        :returns: how the account stands; ``pending`` is above 0 where the time was too short.
        """
        return self.pipeline.flush(self._limit(timeout_seconds))

    def close(self, timeout_seconds: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. What comes later is dropped and counted; closing twice is harmless.

        :param timeout_seconds: seconds to wait at most; default ``flush_timeout_seconds`` of the config, 5.
        :returns: how the account stands.
        """
        result: FlushResult = self._close(self._limit(timeout_seconds), ending=timeout_seconds is None)
        return result

    def __enter__(self) -> AlignAI:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
