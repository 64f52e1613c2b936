"""Messages over a WebSocket through aiohttp, with a look now and then whether anybody is still at the other end."""

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
"""Seconds without a message after which the other end is asked whether it is there."""
PATIENCE = 10.0
"""Seconds in which it has to answer."""
CALM = timedelta(seconds=1)
"""A message that came only after such a wait left none behind it, neither here nor on the way."""
FAREWELL = 0.5
"""Seconds that closing waits for the other end."""

LARGEST = 16 * 1024 * 1024
"""Bytes of a message at most."""


class WebSocket:
    """An open connection. aiohttp's own heartbeat goes on while a message is being worked on, and then takes the slow
    for the dead; so the other end is asked here, and only while there is nothing else to do.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.caught_up_at = datetime.now(UTC)
        """When there was last nothing left to receive. A connection that ended while its user was busy with a message
        is noticed long after; so neither its end nor silence counts, but only what the other end then still said."""

    @classmethod
    async def open(cls, session: aiohttp.ClientSession, url: str, seconds: float, **options: Any) -> WebSocket:
        """Connect.

        :param seconds: for the connection and the handshake.
        :raises aiohttp.ClientError: what aiohttp raises for a handshake that fails.
        :raises asyncio.TimeoutError: it takes longer.
        """
        async with timeout(seconds):
            return cls(await session.ws_connect(url, autoping=False, max_msg_size=LARGEST, **options))

    async def receive(self) -> str | bytes | None:
        """The next message; None where the connection has ended, or the other end is gone."""
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
        """Say goodbye, and do not wait long for an answer."""
        with suppress(Exception):
            async with timeout(FAREWELL):
                await self._socket.close()
