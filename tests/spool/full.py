"""A disk that fills up while the service is down: a file system of 1 MiB, for which it needs root."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from mindlytics.spool.directory import Directory

from .. import sink as faults
from ..conftest import result
from ..sink import Sink
from .found import Found, scratch
from .kills import import_all, judge, make, tracking

EVENTS = 10_000
"""Events that the disk and the memory hold together."""
LINES = ("cannot be written", "the spool works again")
DEADLINE = 60.0


def long(seed: int) -> Iterator[Found]:
    import_all()
    for face in ("Client", "AsyncClient"):
        with scratch() as place:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
            try:
                yield of_one(face, place / "spool")
            finally:
                subprocess.run(["umount", str(place)], check=True)


class Lines(logging.Handler):
    """What is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def count(self, words: str) -> int:
        return sum(words in each for each in self.said)


def of_one(face: str, spool: Path) -> Found:
    sink, lines = Sink(), Lines()
    logger = logging.getLogger("mindlytics")
    logger.addHandler(lines)
    logger.setLevel("INFO")
    sink.always = faults.status(503)
    try:
        # a small file system has no room to leave to others
        with mock.patch.object(Directory, "is_disk_full", return_value=False):
            client = make(face, sink.url, spool, max_batch_events=500)
            track = tracking(client, "s")
            for number in range(EVENTS):
                track(number)
            wait(lambda: lines.count("cannot be written") > 0)
            on_disk = client.stats().spooled
            sink.always = faults.fine
            wait(lambda: client.stats().pending == 0)
            events = EVENTS
            until = time.monotonic() + DEADLINE
            while not lines.count("the spool works again") and time.monotonic() < until:
                track(events)
                events += 1
                wait(lambda: client.stats().pending == 0)
            asyncio.run(closed(client))
            faulty = {**judge(sink, {"s": events}), "dropped": client.stats().dropped}
            faulty |= {f"not just one line: {words}": abs(lines.count(words) - 1) for words in LINES}
            return Found(f"a full disk, {face}", faulty, {"events": events, "on disk": on_disk})
    finally:
        logger.removeHandler(lines)
        sink.close()


async def closed(client: Any) -> None:
    await result(client.close(10))


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not until() and time.monotonic() < end:
        time.sleep(0.005)
