"""A program that crashes and starts again, over and over, while the service is down: what it leaves is bounded."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mindlytics.spool.reading import size_of

from .. import sink as faults
from ..sink import Sink
from .found import Found, porches_of, scratch
from .kills import import_all, make

SPOOL_BYTES = 1024 * 1024
SEGMENT_BYTES = SPOOL_BYTES // 8
EVENTS = 100
"""Events of each start, of a kilobyte each."""
DEADLINE = 5.0
"""Seconds that a start waits until its events are on disk, or the spool is full."""


def long(seed: int, starts: int = 100) -> Iterator[Found]:
    import_all()
    sink = Sink()
    sink.always = faults.status(503)
    largest = 0
    try:
        with scratch() as spool:
            for _ in range(starts):
                crash(sink.url, spool)
                porches = len(porches_of(spool))
                largest = max(largest, sum(map(size_of, spool.glob("*/*-*"))))
            excess = max(0, largest - SPOOL_BYTES - SEGMENT_BYTES)
            yield Found(
                "crashing starts",
                {"bytes too many": excess, "unused": int(largest < SPOOL_BYTES // 2)},
                {"starts": starts, "most bytes": largest, "bound": SPOOL_BYTES, "porches left": porches},
            )
    finally:
        sink.close()


def short(seed: int) -> Iterator[Found]:
    return long(seed, 20)


def crash(url: str, spool: Path) -> None:
    """Start a program that records, and dies."""
    process = os.fork()
    if process == 0:
        client = make("Client", url, spool, spool_max_bytes=SPOOL_BYTES)
        session = client.create_session(id="u")
        for _ in range(EVENTS):
            session.track_event(event="x", properties={"text": "y" * 1000})
        until = time.monotonic() + DEADLINE
        while not client.pipeline.spooler.run.is_full and client.stats().spooled < EVENTS and time.monotonic() < until:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
