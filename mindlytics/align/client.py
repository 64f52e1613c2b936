"""The blocking face of Align AI."""

from __future__ import annotations

from types import TracebackType

from ..delivery.account import FlushResult
from ..pipeline.blocking import BlockingPipeline
from .base import BaseAlignAI


class AlignAI(BaseAlignAI[BlockingPipeline, None]):
    """Records sessions, messages, users and feedback for Align AI, and delivers them in the background.

    Use it as a context manager, or :meth:`close` it. A program that just ends delivers what is pending as well.
    """

    _pipeline_type = BlockingPipeline

    def flush(self, timeout_seconds: float | None = None) -> FlushResult:
        """Send what is pending and wait until the service has answered.

        :param timeout_seconds: seconds to wait at most. Default: ``flush_timeout_seconds`` of the config, 5.
        :returns: the account. ``pending`` is above 0 if the time was too short.
        """
        return self.pipeline.flush(self._limit(timeout_seconds))

    def close(self, timeout_seconds: float | None = None) -> FlushResult:
        """Deliver what is pending, then stop. Later events are dropped and counted. Closing twice is harmless.

        :param timeout_seconds: seconds to wait at most. Default: ``flush_timeout_seconds`` of the config, 5.
        :returns: the account.
        """
        result: FlushResult = self._close(self._limit(timeout_seconds), ending=timeout_seconds is None)
        return result

    def __enter__(self) -> AlignAI:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
