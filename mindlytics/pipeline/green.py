"""Green threads of gevent and eventlet: what must not be done on a real thread beside them.

Where they have replaced Python's threads, the sender is a green thread of the hub on whose thread the client was made.
A call on a real thread, as of a pool that keeps blocking calls away from that hub, must neither start a sender there,
in a hub that nobody runs, nor touch what the sender waits for.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any


class Hub:
    """The green threads of the thread that makes this."""

    def __init__(self, spawn: Callable[[Callable[[], object]], object] | None) -> None:
        self._thread = threading.get_native_id()
        self._spawn = spawn

    def is_elsewhere(self) -> bool:
        """Whether this runs on another thread."""
        return threading.get_native_id() != self._thread

    def call(self, function: Callable[[], object]) -> None:
        """Have it called there, where the library has a way; else it is left to the next call that comes from there."""
        if self._spawn is not None:
            self._spawn(function)


def hub() -> Hub | None:
    """That of this thread; None where threads are Python's own."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        library: Any = import_module("gevent")
        loop = library.get_hub().loop
        return Hub(lambda function: loop.run_callback_threadsafe(library.spawn, function))
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return Hub(None)
    return None
