"""SIGTERM, for programs that ask for it: deliver first, then pass the signal on to the previous handler.

A handler runs between any two instructions of the main thread, maybe while that holds the queue's lock. So the handler
takes no lock. It starts a thread, which delivers and then sends the signal again.

An event loop learns of a signal from the interpreter, whatever handler is set, and calls the function of
``add_signal_handler`` at once. Then the thread delivers beside that. It does not send the signal again, since the loop
would see it twice.
"""

from __future__ import annotations

import _thread
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from . import shutdown

AGAIN_AFTER = 0.05
"""Seconds after which an unhandled signal is sent again."""

logger: logging.Logger = logging.getLogger("mindlytics")

_before: Callable[[int, FrameType | None], object] | int | None = None
_installed = False
_delivered = False
_began = False


def flush_on_sigterm() -> None:
    """Install the handler once, on the main thread."""
    global _before, _installed  # noqa: PLW0603
    if _installed:
        return
    if threading.current_thread() is not threading.main_thread():
        logger.warning("flush_on_sigterm has no effect: only the main thread can set a signal handler")
        return
    _before = signal.signal(signal.SIGTERM, _on_sigterm)
    _installed = True


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    global _began  # noqa: PLW0603
    if _delivered:
        _pass_on(number, frame)
    elif not _began:
        _began = True
        _thread.start_new_thread(_deliver, (number,))


def _deliver(number: int) -> None:
    global _began  # noqa: PLW0603
    try:
        shutdown.flush_all()
    finally:
        if _is_of_a_loop(_before):
            _began = False
        else:
            _send_again(number)


def _is_of_a_loop(handler: object) -> bool:
    """Whether an event loop set it. A loop learns of signals in another way."""
    owner = getattr(handler, "__self__", handler)
    return str(getattr(owner, "__module__", "")).partition(".")[0] in {"asyncio", "uvloop"}


def _send_again(number: int) -> None:
    global _delivered  # noqa: PLW0603
    _delivered = True
    while _delivered:  # a signal may come just before the main thread sleeps, and then fails to wake it
        os.kill(os.getpid(), number)
        time.sleep(AGAIN_AFTER)


def _pass_on(number: int, frame: FrameType | None) -> None:
    """Call the previous handler. If there was none, end as the signal would have."""
    global _began, _delivered  # noqa: PLW0603
    _began = _delivered = False
    if callable(_before):
        _before(number, frame)
    elif _before != signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(number)
        os._exit(128 + number)  # the kernel ignores default actions for a container's first process
