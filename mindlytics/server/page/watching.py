"""Tells open pages that something was stored, by server-sent events. A page then reads the news itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from aiohttp import web
from attrs import define

from ..apps import find_app
from ..http import STORE, Problem
from ..live import LIVE, Heard, Listener
from .access import looker

BEAT_SECONDS = 15.0
"""Time between two signs of life. A connection whose reader is gone ends with the next one."""

PAUSE_SECONDS = 0.3
"""Time after a notice in which further events join the next one."""

WAIT_MILLISECONDS = 2000
"""Time after which a browser connects again."""

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

NOTICE = b"data: stored\n\n"
BEAT = b":\n\n"


@define(eq=False)
class Watcher(Listener):
    """A page that is open. It only has to know that there is something new, so nothing waits for it."""

    def put(self, events: Sequence[Heard]) -> None:
        """Note that there are events for it."""
        if any(self.session_id in (None, session_id) for session_id, _ in events):
            self.arrived.set()


async def watch(request: web.Request) -> web.StreamResponse:
    """Answer with a notice whenever something was stored in a project, or in one of its sessions.

    :raises Problem: 401 if nobody has signed in, 404 if there is no such project.
    """
    key_hash = await looker(request)
    if key_hash is None:
        raise Problem(401, "unauthorized", "sign in first")
    project, session_id = request.query.get("project", ""), request.query.get("session")
    app = await request.app[STORE].read(lambda connection: find_app(connection, key_hash, project))
    if app is None:
        raise Problem(404, "not found", "there is no such project", field="project")
    response = web.StreamResponse(headers=HEADERS)
    watcher = Watcher(session_id, asyncio.get_running_loop().create_future())
    with request.app[LIVE].hearing(app, watcher), suppress(ConnectionError):
        await response.prepare(request)
        await response.write(f"retry: {WAIT_MILLISECONDS}\n\n".encode())
        while not watcher.over.done():
            await response.write(NOTICE if await _news(watcher) else BEAT)
    return response


async def _news(watcher: Watcher) -> bool:
    """Wait for events, the end of the server, or the next sign of life. Returns whether there are events."""
    arrived = asyncio.ensure_future(watcher.arrived.wait())
    either: list[asyncio.Future[Literal[True]] | asyncio.Future[tuple[int, str]]] = [arrived, watcher.over]
    try:
        await asyncio.wait(either, timeout=BEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if arrived.done():
            await asyncio.wait([watcher.over], timeout=PAUSE_SECONDS)
    finally:
        arrived.cancel()
    news = watcher.arrived.is_set()
    watcher.arrived.clear()
    return news
