"""Looks up host names for aiohttp without delaying the end of the program.

aiohttp's own resolver uses the loop's executor. ``asyncio.run`` and the interpreter wait for its threads, so a silent
name server would hold up the exit.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, TypeVar, cast

from aiohttp.abc import AbstractResolver, ResolveResult

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: object) -> T:
    """Call a function in a thread of its own that the exit does not wait for. If threads cannot start, call it here."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if not outcome.done():
            outcome.set_result(cast("T", result)) if error is None else outcome.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = function(*args)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    try:
        _thread.start_new_thread(work, ())
    except RuntimeError:
        return function(*args)
    return await outcome


class InlineResolver(AbstractResolver):
    """Looks names up on the loop's own thread, for a loop of our own."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return _results(host, socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))

    async def close(self) -> None:
        """Do nothing: it holds no resources."""


class ThreadResolver(InlineResolver):
    """Looks names up on separate threads, for the program's loop."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return _results(host, await in_thread(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM))


def _results(host: str, found: list[Any]) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=int(address[1]),
            family=kind,
            proto=proto,
            flags=socket.AI_NUMERICHOST,
        )
        for kind, _, proto, _, address in found
    ]
