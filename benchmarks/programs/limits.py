"""What there is to reach: ready-made bodies posted one after the other, and one event encoded and framed, no more.

Nothing of mindlytics takes part.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from typing import Any

import aiohttp
import orjson
import requests

from ..turns import TURNS, Turn, properties
from . import report

BATCH = 500
PATH = "/bc/v1/events/queue"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer key", "X-App-ID": "project"}


def event(turn: Turn) -> dict[str, Any]:
    """A turn as it is on the wire."""
    said = properties(turn)
    return {
        "type": "track",
        "event": "Conversation Turn",
        "session_id": said.pop("session_id"),
        "conversation_id": said.pop("conversation_id"),
        "user_id": "ada",
        "timestamp": "2026-01-01T09:00:00.000000Z",
        "properties": said,
    }


def body() -> bytes:
    """A batch of turns, with ids as long as real ones."""
    session, conversation = str(uuid.uuid4()), str(uuid.uuid4())
    return orjson.dumps(
        [
            {**event(TURNS[number % len(TURNS)]), "session_id": session, "conversation_id": conversation}
            for number in range(BATCH)
        ]
    )


def through_requests(url: str, posts: int) -> None:
    ready = body()
    cpu, first = time.process_time(), time.monotonic()
    with requests.Session() as session:
        for _ in range(posts):
            session.post(url + PATH, data=ready, headers=HEADERS).raise_for_status()
    report(sent=posts * BATCH, first=first, finished=time.monotonic(), cpu_before=cpu)


async def through_aiohttp(url: str, posts: int) -> None:
    ready = body()
    cpu, first = time.process_time(), time.monotonic()
    async with aiohttp.ClientSession() as session:
        for _ in range(posts):
            async with session.post(url + PATH, data=ready, headers=HEADERS) as reply:
                reply.raise_for_status()
                await reply.read()
    report(sent=posts * BATCH, first=first, finished=time.monotonic(), cpu_before=cpu)


def encoding(events: int) -> None:
    first = time.perf_counter()
    for number in range(events):
        b"[" + orjson.dumps(event(TURNS[number % len(TURNS)])) + b"]"
    report(each=(time.perf_counter() - first) / events * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("limit", choices=["requests", "aiohttp", "encoding"])
    parser.add_argument("url")
    parser.add_argument("events", type=int)
    chosen = parser.parse_args()
    posts = max(1, chosen.events // BATCH)
    if chosen.limit == "requests":
        through_requests(chosen.url, posts)
    elif chosen.limit == "aiohttp":
        asyncio.run(through_aiohttp(chosen.url, posts))
    else:
        encoding(chosen.events)


if __name__ == "__main__":
    main()
