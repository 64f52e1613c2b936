"""Calling what a program wants to be told by, functions or coroutine functions, from a task of ours."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def call(handler: Callable[[Any], Any], argument: object) -> None:
    """Call it, and wait for it where there is something to wait for."""
    outcome = handler(argument)
    if inspect.isawaitable(outcome):
        await outcome


def is_to_end(error: BaseException) -> bool:
    """Whether what a handler raised is meant for the task that called it.

    A handler may have awaited what was cancelled, which is its own affair; before Python 3.11 nobody can tell.
    """
    if isinstance(error, asyncio.CancelledError):
        cancelling = getattr(asyncio.current_task(), "cancelling", None)
        return cancelling is None or cancelling() > 0
    return isinstance(error, KeyboardInterrupt)
