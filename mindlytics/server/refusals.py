"""Logs requests that were refused for their credentials, so that attempts to guess keys are noticed."""

from __future__ import annotations

import asyncio
import logging

import orjson
from aiohttp import web

from .http import Handler

LINES = 10
"""Most that are logged within :data:`SECONDS`. The rest are counted, so that strangers cannot fill the disk."""

SECONDS = 60.0

logger = logging.getLogger("mindlytics.server")


class Refusals:
    """Logs 401 and 403 of one server: who asked for what, and why it was refused, without the key."""

    def __init__(self) -> None:
        self._since = float("-inf")
        self._lines = 0
        self._unlogged = 0

    @web.middleware
    async def log(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on, and log it if it is refused."""
        response = await handler(request)
        if response.status in (401, 403):
            self._log(request, response)
        return response

    def _log(self, request: web.Request, response: web.StreamResponse) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._since > SECONDS:
            if self._unlogged:
                logger.warning("more requests refused for their credentials: %d", self._unlogged)
            self._since, self._lines, self._unlogged = now, 0, 0
        if self._lines >= LINES:
            self._unlogged += 1
            return
        self._lines += 1
        path, reason = request.rel_url.raw_path[:200], _reason(response)
        logger.warning("%d for %s %s from %s: %s", response.status, request.method, path, request.remote, reason)


def _reason(response: web.StreamResponse) -> str:
    """The message in the answer, in the shape of its API. A page has none."""
    if response.content_type != "application/json":
        return str(response.reason)
    body = response.body if isinstance(response, web.Response) else None
    parsed = orjson.loads(body) if isinstance(body, bytes) else {}
    return str(parsed.get("message") or parsed.get("detail") or "")
