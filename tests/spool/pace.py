"""How long calls and event loops wait for the spool: beside threads that compute, and on a disk that is busy. And the
CPU of an event in a program that records a few at a time.

Each figure stands beside the same without a spool, measured by turns. Compare them, since both depend on the machine.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .. import sink as faults
from ..sink import Sink
from .found import Found, scratch
from .kills import import_all, make
from .leftovers import in_child

ROUNDS = 3
CALLS = 400
THREADS = 3
PROBE = 0.005
"""Seconds between two looks at the loop."""
PIECE = bytes(2**20)
BURSTS = 400
BURST = 10
"""Events that are recorded at once, every 5 ms."""


def long(seed: int) -> Iterator[Found]:
    import_all()
    sink = Sink()
    sink.always = faults.fine
    try:
        with scratch() as spool:
            yield _by_turns("ten events every 5 ms", sink.url, spool, in_bursts)
            yield _by_turns("calls beside three computing threads", sink.url, spool, beside_threads)
            busy = start_writer(spool / "busy")
            try:
                yield _by_turns("an event loop on a busy disk", sink.url, spool, on_a_loop)
            finally:
                os.kill(busy, signal.SIGKILL)
                os.waitpid(busy, 0)
    finally:
        sink.close()


def _by_turns(about: str, url: str, spool: Path, work: Callable[[str, Path | None], dict[str, float]]) -> Found:
    rounds: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for where, words in ((None, "without"), (spool / "spool", "with")):
            for name, value in in_child(lambda where=where: work(url, where)).items():  # type: ignore[misc]
                rounds.setdefault(f"{name}, {words}", []).append(value)
    return Found(about, {}, {name: round(statistics.median(values), 4) for name, values in sorted(rounds.items())})


def in_bursts(url: str, spool: Path | None) -> dict[str, float]:
    """Microseconds of CPU for an event."""
    client = make("Client", url, spool)
    session = client.create_session(id="u")
    session.track_event(event="first")
    client.flush(20)
    before = time.process_time()
    for _ in range(BURSTS):
        for _ in range(BURST):
            session.track_event(event="x", properties={"text": "y" * 330})
        time.sleep(0.005)
    client.flush(20)
    return {"CPU, µs": (time.process_time() - before) / (BURSTS * BURST) * 1e6}


def beside_threads(url: str, spool: Path | None) -> dict[str, float]:
    """Milliseconds of a call."""
    client = make("Client", url, spool)
    session = client.create_session(id="u")
    session.track_event(event="first")

    def compute() -> None:
        while True:
            sum(range(10_000))

    for _ in range(THREADS):
        threading.Thread(target=compute, daemon=True).start()
    spent = []
    for _ in range(CALLS):
        before = time.perf_counter()
        session.track_event(event="x", properties={"text": "y" * 330})
        spent.append((time.perf_counter() - before) * 1e3)
        time.sleep(0.001)
    return {"median, ms": statistics.median(spent), "p99, ms": statistics.quantiles(spent, n=100)[98]}


def on_a_loop(url: str, spool: Path | None) -> dict[str, float]:
    """Milliseconds by which the loop is late."""
    client = make("AsyncClient", url, spool)
    session = client.create_session(id="u")
    late: list[float] = []

    async def probe() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(PROBE)
            late.append((time.perf_counter() - before - PROBE) * 1e3)

    async def main() -> None:
        await session.track_event(event="first")
        probing = asyncio.create_task(probe())
        for _ in range(CALLS):
            await session.track_event(event="x", properties={"text": "y" * 330})
            await asyncio.sleep(0.001)
        probing.cancel()

    asyncio.run(main())
    return {"p99, ms": statistics.quantiles(late, n=100)[98], "longest, ms": max(late)}


def start_writer(path: Path) -> int:
    """A process that keeps the disk busy."""
    process = os.fork()
    if process:
        return process
    try:
        descriptor: Any = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        while True:
            os.pwrite(descriptor, PIECE, 0)
            os.fsync(descriptor)
    finally:
        os._exit(1)
