"""aiohttp for a thread without a running loop: requests on a loop of its own, or on that of a caller's session."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable

from attrs import evolve

from .. import transport
from ..annotations import Awaited
from ..secret import Headers
from ..settings import Settings
from . import NoReply, Reply
from .asyncio import AsyncTransport

PATIENCE = 1.0
"""Seconds after a request's time-out in which the loop of a caller's session may still return the result."""


class LoopTransport:
    """Kept-alive connections to the service, for one thread without a running loop.

    A caller's own ``aiohttp.ClientSession`` belongs to the loop on which it was made. Requests are made there while
    that loop runs, and through connections of our own after that.

    :param home: the loop of a caller's session that does not name its own.
    """

    def __init__(self, settings: Settings, home: asyncio.AbstractEventLoop | None) -> None:
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_debug(False)  # debug mode warns of slow steps, which delay only us
        self._own = AsyncTransport(evolve(settings, http_client=None), own_loop=True)
        client = settings.http_client
        self._callers = None if client is None or client.closed else AsyncTransport(settings)
        self._home: asyncio.AbstractEventLoop | None = getattr(client, "_loop", None) or home
        self._client = client

    def request(self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float) -> Reply | NoReply:
        """Send a request once. Never raises.

        :param timeout: seconds for the whole exchange.
        """
        if transport.stand_in is not None:
            return transport.stand_in(method, url, body, headers)
        request = method, url, body, headers, timeout
        home = self._home
        if self._callers is not None and home is not None and home.is_running() and not self._client.closed:
            callers = self._callers
            return _on(home, lambda: callers.request(*request), timeout + PATIENCE)
        return self._loop.run_until_complete(self._request(request))

    async def _request(self, request: tuple[str, str, bytes | None, Headers, float]) -> Reply | NoReply:
        for _ in range(2):  # the loop was stopped: let it notice which kept-alive connections have ended
            await asyncio.sleep(0)
        return await self._own.request(*request)

    def close(self) -> None:
        """Close our own connections and loop."""
        self._loop.run_until_complete(self._own.close())
        self._loop.close()


def _on(
    loop: asyncio.AbstractEventLoop, make: Callable[[], Awaited[Reply | NoReply]], timeout: float
) -> Reply | NoReply:
    """Run a coroutine on another thread's loop, which may end at any time, and wait for its result."""
    outcome: concurrent.futures.Future[Reply | NoReply] = concurrent.futures.Future()
    tasks: list[asyncio.Task[Reply | NoReply]] = []

    def end(task: asyncio.Task[Reply | NoReply]) -> None:
        if not outcome.done():
            outcome.set_result(NoReply("the event loop ended") if task.cancelled() else task.result())

    def begin() -> None:
        task = asyncio.Task(make(), loop=loop, name="mindlytics-request")
        tasks.append(task)
        task.add_done_callback(end)

    try:
        loop.call_soon_threadsafe(begin)
    except RuntimeError:
        return NoReply("the event loop ended", unsent=True)
    try:
        return outcome.result(timeout)
    except concurrent.futures.TimeoutError:
        for task in tasks:
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:
                break
        return NoReply("timed out", timed_out=True)
