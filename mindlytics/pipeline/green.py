"""Green threads of gevent and eventlet, and real threads beside them.

If they replace Python's threads, the sender is a green thread in the hub of the thread that made the client. A call may
come from a real thread, such as one of a pool for blocking calls. A sender started there would live in a hub that never
runs, and the locks of green threads are unsafe there. So such a call passes its work to the client's hub.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any


class Hub:
    """The green threads of the thread that makes this object."""

    def __init__(self, spawn: Callable[[Callable[[], object]], object] | None) -> None:
        self._thread = threading.get_native_id()
        self._spawn = spawn

    def is_elsewhere(self) -> bool:
        """Whether the caller is on another thread."""
        return threading.get_native_id() != self._thread

    def call(self, function: Callable[[], object]) -> None:
        """Call a function there, if the library can. If it cannot, the next call from there does the work."""
        if self._spawn is not None:
            self._spawn(function)


def hub() -> Hub | None:
    """The hub of this thread, or None if threads are Python's own."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        library: Any = import_module("gevent")
        loop = library.get_hub().loop
        return Hub(lambda function: loop.run_callback_threadsafe(library.spawn, function))
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return Hub(None)
    return None
