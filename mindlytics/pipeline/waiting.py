"""How the threads of a pipeline wait: the clock, the longest waits, and what wakes a thread up."""

from __future__ import annotations

import contextlib
import threading
import time

clock = time.monotonic
FOREVER = float("inf")
LONGEST_TIMEOUT = 1e6
"""Seconds. Longer timeouts overflow on some systems."""

GRACE = 0.3
"""Seconds after a deadline for which a caller still waits for the sender to stop."""


class WakeUp:
    """Wakes the thread that waits. Setting it is one step of the interpreter, which signals cannot interrupt."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was set already
            self._lock.release()

    def clear(self) -> None:
        self._lock.acquire(blocking=False)

    def wait(self, seconds: float) -> bool:
        """Until it is set, so long at most; whether it was. It is clear then."""
        return self._lock.acquire(timeout=min(max(0.0, seconds), LONGEST_TIMEOUT))
