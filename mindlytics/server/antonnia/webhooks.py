"""Webhooks: posts events to an application, in order for each session, and retries failed posts."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from urllib.parse import urlsplit

import aiohttp
import orjson

from ...delivery.retry import backoff
from ...transport.body import IDENTITY
from .documents import Document

ATTEMPTS = 8
LONGEST_PAUSE = 8.0
"""Longest pause between two attempts in seconds."""

ANSWER_SECONDS = 10.0
"""Seconds in which the application has to answer."""

READ_AHEAD = 4096
"""Most bytes of an answer that are read. Only its status is used, and a longer answer is cut off."""

LAST_SECONDS = 2.0
"""Seconds that a stopping server waits for pending posts."""

MAX_WAITING = 32 * 1024 * 1024
"""Most bytes of events that wait to be posted. Later events are dropped while the application accepts none."""

logger = logging.getLogger("mindlytics.server")


def is_address(url: str) -> bool:
    """Whether it is an address that events can be posted to."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class WebhookSender:
    """Posts to one address, on the loop on which it was made. Without an address, it does nothing."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._waiting: dict[str, deque[bytes]] = {}
        self._size = 0
        self._dropped = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            headers=IDENTITY,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_AHEAD,
        )

    def post(self, events: list[Document]) -> None:
        """Queue events behind earlier ones of the same session, unless too many bytes wait already."""
        for event in events if self._url is not None else ():
            session_id, body = event["session_id"], orjson.dumps(event["body"])
            if self._size + len(body) > MAX_WAITING:
                if not self._dropped:
                    logger.warning("webhooks are dropped: %d bytes wait already", self._size)
                self._dropped += 1
                continue
            self._size += len(body)
            if session_id in self._waiting:
                self._waiting[session_id].append(body)
                continue
            self._waiting[session_id] = deque([body])
            self._tasks[session_id] = asyncio.create_task(self._post_all(session_id))

    def drop(self, session_ids: Iterable[str]) -> None:
        """Drop what waits to be posted of these sessions."""
        for session_id in session_ids:
            if session_id in self._waiting:
                self._tasks.pop(session_id).cancel()
                self._size -= sum(map(len, self._waiting.pop(session_id)))

    async def close(self) -> None:
        """Wait briefly for pending posts, then drop them."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=LAST_SECONDS)
            for task in late:
                task.cancel()
        lost = sum(map(len, self._waiting.values())) + self._dropped
        if lost:
            logger.warning("webhooks not posted before the server stopped: %d", lost)
        await self._http.close()

    async def _post_all(self, session_id: str) -> None:
        waiting = self._waiting[session_id]
        while waiting:
            await self._post(waiting[0])
            self._size -= len(waiting.popleft())
            if self._dropped and self._size < MAX_WAITING // 2:
                logger.warning("webhooks are posted again. Dropped: %d", self._dropped)
                self._dropped = 0
        del self._waiting[session_id], self._tasks[session_id]

    async def _post(self, body: bytes) -> None:
        assert self._url is not None
        cause = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._http.post(
                    self._url,
                    data=body,
                    headers={"Content-Type": "application/json"},
                    allow_redirects=False,
                ) as reply:
                    if 200 <= reply.status < 300:
                        return
                    cause = f"status {reply.status}"
            except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:  # the last: no name of a host
                cause = type(error).__name__
            if attempt < ATTEMPTS:
                await asyncio.sleep(backoff(attempt, LONGEST_PAUSE))
        event = orjson.loads(body)
        logger.warning("webhook %s (%s) was dropped after %d attempts: %s", event["id"], event["type"], ATTEMPTS, cause)
