"""The service of a soak run, in a process of its own: misbehaves at random, checks what arrives, keeps no event.

It honours ``Idempotency-Key`` as the real one does. It writes its port to stdout, serves until stdin ends, and then
writes its report as one line of JSON. Order, loss and duplicates are found by one number for each session: that of the
event that has to come next.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from collections import Counter
from email.utils import formatdate
from time import time
from typing import Any
from zlib import crc32

import orjson

from .numbers import next_wanted, text

LARGEST = 64 * 1024
"""Bytes of a body above which the service answers 413."""

HANG = (0.3, 1.5)
"""Seconds that a hanging reply takes, less than the clients' request_timeout."""

LATENCY = (0.005, 0.1)

MOODS = ("503", "429", "reset", "hang", "lost reply", "truncated reply", "latency")
CALM = 0.35
"""The share of the time in which every request is answered well and at once."""

MOOD_LASTS = (0.5, 3.0)
MAX_VIOLATIONS = 20


class Service:
    """What is known of all that arrived."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.mood = "calm"
        self.counts: Counter[str] = Counter()
        self.wanted: dict[str, int] = {}
        self.keys: dict[str, int] = {}
        self.violations: list[str] = []

    def blame(self, words: str) -> None:
        self.counts["violations"] += 1
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(words)

    async def change_moods(self, outage: float) -> None:
        """Take nothing for so many seconds, then switch faults on and off, for ever."""
        self.mood = "outage"
        await asyncio.sleep(outage)
        while True:
            calm = self.random.random() < CALM
            self.mood = "calm" if calm else self.random.choice(MOODS)
            await asyncio.sleep(self.random.uniform(*MOOD_LASTS))

    def verdict(self, key: str, body: bytes) -> tuple[int, bytes]:
        """What a well-behaved service says to a batch, once it has taken in what is good."""
        if len(body) > LARGEST:
            return 413, b'{"message":"too large"}'
        posted = orjson.loads(body)
        events = posted if isinstance(posted, list) else [posted]
        if any(event.get("event") == "poison" for event in events):
            return 400, b'{"message":"poison is not allowed"}'
        if not key:
            self.blame("a batch without an Idempotency-Key")
        if key in self.keys:
            self.counts["repeats"] += 1
            if self.keys[key] != crc32(body):
                self.blame("two bodies under one Idempotency-Key")
            return 200, b'{"status":"ok"}'
        self.keys[key] = crc32(body)
        for event in events:
            self.take(event)
        return 200, b'{"status":"ok"}'

    def take(self, event: dict[str, Any]) -> None:
        """Check that this is the event of its session that had to come next, with what it has to hold."""
        session = event["session_id"]
        values = event.get("properties") or event["attributes"]
        number = values["n"]
        wanted = self.wanted.get(session)
        if wanted is None:
            wanted = next_wanted(session, 0)
        if number != wanted:
            self.blame(f"{session}: {'again' if number < wanted else 'too early'}: {number}, not {wanted}")
        if values["text"] != text(session, number):
            self.blame(f"{session}: event {number} holds something else")
        self.counts["events"] += 1
        self.wanted[session] = next_wanted(session, number + 1)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while await self.answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            self.counts["connections that ended"] += 1
        except asyncio.CancelledError:
            pass  # the run is over, and asyncio would warn of a connection that is still open
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. Returns False if the connection must not be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.counts["requests"] += 1
        fault = self.mood if self.mood == "outage" or self.random.random() < 0.7 else "calm"
        if fault != "calm":
            self.counts[fault] += 1
        if fault in ("503", "outage"):
            reply(writer, 503)
            return True
        if fault == "429":
            wait = self.random.choice(["0", "1", formatdate(time() + 1, usegmt=True)])
            reply(writer, 429, f"Retry-After: {wait}\r\n")
            return True
        if fault == "reset":
            plug = writer.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if fault in ("hang", "latency"):
            await asyncio.sleep(self.random.uniform(*(HANG if fault == "hang" else LATENCY)))
        status, words = self.verdict(headers.get("idempotency-key", ""), body)
        if status != 200:
            self.counts[str(status)] += 1
        if fault == "lost reply":
            return False
        reply(writer, status, body=words, missing=300 if fault == "truncated reply" else 0)
        await writer.drain()
        return fault != "truncated reply"


def reply(writer: asyncio.StreamWriter, status: int, headers: str = "", body: bytes = b"{}", missing: int = 0) -> None:
    """Write a reply. ``missing`` is how many promised bytes never come."""
    length = f"Content-Length: {len(body) + missing}\r\n"
    writer.write(f"HTTP/1.1 {status} X\r\n{headers}{length}\r\n".encode() + body)


async def main(seed: int, outage: float) -> None:
    service = Service(seed)
    server = await asyncio.start_server(service.connected, "127.0.0.1", 0, limit=2**20)
    moods = asyncio.create_task(service.change_moods(outage))
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    moods.cancel()
    report = {"counts": service.counts, "wanted": service.wanted, "violations": service.violations}
    sys.stdout.write(orjson.dumps(report).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
