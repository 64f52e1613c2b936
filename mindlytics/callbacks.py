"""Calling a program's handlers, functions or coroutine functions, from a task of ours."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def call(handler: Callable[[T], object], argument: T) -> None:
    """Call a handler, and await its result if that is awaitable."""
    outcome = handler(argument)
    if inspect.isawaitable(outcome):
        await outcome


def is_to_end(error: BaseException) -> bool:
    """Whether an exception from a handler should end the task that called it.

    A cancellation may come from something that the handler awaited. Python before 3.11 cannot tell, so
    it ends the task.
    """
    if isinstance(error, asyncio.CancelledError):
        cancelling = getattr(asyncio.current_task(), "cancelling", None)
        return cancelling is None or cancelling() > 0
    return isinstance(error, KeyboardInterrupt)
