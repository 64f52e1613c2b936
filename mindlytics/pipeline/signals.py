"""SIGTERM, for programs that ask for it: deliver, then let whoever was to hear of the signal hear of it.

A handler runs between any two instructions of the main thread, maybe while that holds the queue's lock. So it takes no
lock and delivers nothing itself: a thread does, and sends the signal again once it is done.

An event loop hears of a signal from the interpreter, whatever handler is set, and calls what ``add_signal_handler`` was
given at once. Then the thread delivers beside that, and the signal is not sent again: it would be heard twice.
"""

from __future__ import annotations

import _thread
import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from . import shutdown

AGAIN_AFTER = 0.05
"""Seconds after which a signal that was not heard is sent again."""

logger = logging.getLogger("mindlytics")

_before: Any = None
_installed = False
_delivered = False
_began = False


def flush_on_sigterm() -> None:
    """Install the handler, once; only the main thread can."""
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


def _is_of_a_loop(handler: Any) -> bool:
    """Whether an event loop set it, whose own way to hear of signals does not lead through it."""
    owner = getattr(handler, "__self__", handler)
    return str(getattr(owner, "__module__", "")).partition(".")[0] in {"asyncio", "uvloop"}


def _send_again(number: int) -> None:
    global _delivered  # noqa: PLW0603
    _delivered = True
    while _delivered:  # a signal that finds the main thread about to sleep does not wake it
        os.kill(os.getpid(), number)
        time.sleep(AGAIN_AFTER)


def _pass_on(number: int, frame: FrameType | None) -> None:
    """Call the handler that was there; where there was none, end as the signal would have."""
    global _began, _delivered  # noqa: PLW0603
    _began = _delivered = False
    if callable(_before):
        _before(number, frame)
    elif _before != signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(number)
        os._exit(128 + number)  # the first process of a container: the kernel spares it what a signal does by default
