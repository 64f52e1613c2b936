"""Measures how long something took."""

from __future__ import annotations

import time
from datetime import datetime

from ..values import now


class Watch:
    """Measures a duration by the caller's own times, or by the monotonic clock."""

    def __init__(self, at: datetime | None = None) -> None:
        self.began = now() if at is None else at
        self._tick = time.perf_counter()
        self._has_own_times = at is not None

    def milliseconds(self, at: datetime | None = None) -> int:
        """Milliseconds until now or until ``at``."""
        if at is None and not self._has_own_times:
            seconds = time.perf_counter() - self._tick
        else:
            seconds = ((now() if at is None else at) - self.began).total_seconds()
        return max(0, round(seconds * 1000))

    def skip(self, since: Watch) -> None:
        """Subtract the time since ``since`` began."""
        self.began += now() - since.began
        self._tick += time.perf_counter() - since._tick
