"""Messages over a WebSocket through aiohttp, with a look now and then whether anybody is still at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from aiohttp import WSMsgType

R = TypeVar("R")

QUIET = 20.0
"""Seconds without a message after which the other end is asked whether it is there."""
PATIENCE = 10.0
"""Seconds in which it has to answer."""
FAREWELL = 0.5
"""Seconds that closing waits for the other end."""

LARGEST = 16 * 1024 * 1024
"""Bytes of a message at most."""


async def within(seconds: float, work: Coroutine[Any, Any, R]) -> R:
    """The result of some work. Before Python 3.12, ``asyncio.wait_for`` now and then forgets that it was cancelled.

    :raises asyncio.TimeoutError: it takes longer; it is cancelled then.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody may be left to take it
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        task.cancel()


class WebSocket:
    """An open connection. aiohttp's own heartbeat goes on while a message is being worked on, and then takes the slow
    for the dead; so the other end is asked here, and only while there is nothing else to do.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes | None:
        """The next message; None where the connection has ended, or the other end is gone."""
        asked = False
        while True:
            try:
                message = await self._socket.receive(timeout=PATIENCE if asked else QUIET)
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data: str | bytes = message.data
                    return data
                if message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is not WSMsgType.PONG:
                    return None
                asked = False
            except asyncio.TimeoutError:
                if asked:
                    return None
                asked = True
                with suppress(Exception):
                    await self._socket.ping()
            except Exception:
                return None

    async def close(self) -> None:
        """Say goodbye, and do not wait long for an answer."""
        with suppress(Exception):
            await within(FAREWELL, self._socket.close())
