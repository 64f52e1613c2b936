"""Messages over a WebSocket through aiohttp, with pings while the connection is idle."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from ..values import UTC
from .limit import timeout

QUIET = 20.0
"""Seconds without a message after which a ping is sent."""
PATIENCE = 10.0
"""Seconds in which the other end has to answer."""
CALM = timedelta(seconds=1)
"""A message that came after such a wait was the only one under way."""
FAREWELL = 0.5
"""Seconds that closing waits for the other end at most."""

LARGEST = 16 * 1024 * 1024
"""Most bytes of a message."""


class WebSocket:
    """An open connection. aiohttp's own heartbeat also runs while a message is processed, and takes a slow handler for
    a dead connection. So pings are sent here, and only while waiting for a message.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket
        self.caught_up_at: datetime = datetime.now(UTC)
        """When there was last nothing left to receive. A connection that ends during the work on a message is noticed
        much later. So only a message that follows a wait updates this time."""

    @classmethod
    async def open(cls, session: aiohttp.ClientSession, url: str, seconds: float, **options: Any) -> WebSocket:
        """Connect.

        :param seconds: for the connection and the handshake.
        :raises aiohttp.ClientError: the handshake failed.
        :raises asyncio.TimeoutError: it takes longer.
        """
        async with timeout(seconds):
            return cls(await session.ws_connect(url, autoping=False, max_msg_size=LARGEST, **options))

    async def receive(self) -> str | bytes | None:
        """The next message, or None once the connection has ended or the other end is silent."""
        asked, waiting_since = False, datetime.now(UTC)
        while True:
            try:
                message = await self._socket.receive(timeout=PATIENCE if asked else QUIET)
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG):
                    return None
                if datetime.now(UTC) - waiting_since >= CALM:
                    self.caught_up_at = waiting_since
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data: str | bytes = message.data
                    return data
                if message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                asked, waiting_since = False, datetime.now(UTC)
            except asyncio.TimeoutError:
                if asked:
                    return None
                asked = True
                with suppress(Exception):
                    await self._socket.ping()
            except Exception:
                return None

    async def close(self) -> None:
        """Close the connection, and wait briefly for the other end."""
        with suppress(Exception):
            async with timeout(FAREWELL):
                await self._socket.close()
