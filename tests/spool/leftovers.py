"""100,000 events of a process that died: how soon the next one delivers them, and in how much memory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mindlytics.pipeline.own_run import origin_of
from mindlytics.spool.directory import Directory

from .. import sink as faults
from ..sink import Sink
from .found import Found, scratch
from .kills import import_all, make
from .recovery import settings_of

EVENTS = 100_000
MIB = 2**20
MOST_MIB = 20
DEADLINE = 120.0


def long(seed: int) -> Iterator[Found]:
    import_all()
    sink, counted = Sink(), Counting()
    sink.always = counted.count
    try:
        with scratch() as spool:
            write(spool, sink.url)
            since = time.monotonic()
            report = in_child(lambda: deliver(sink.url, spool))
            yield Found(
                f"{EVENTS} leftovers",
                {"missing": EVENTS - counted.events, "MiB too many": max(0, int(report["MiB"] - MOST_MIB))},
                {"first batch, s": round(counted.first - since, 2), "all, s": round(counted.last - since, 2), **report},
            )
    finally:
        sink.close()


class Counting:
    """A service that counts events, and keeps none."""

    def __init__(self) -> None:
        self.events = 0
        self.first = self.last = 0.0

    def count(self, exchange: faults.Exchange) -> None:
        exchange.sink.requests.clear()
        self.last = exchange.request.at
        self.first = self.first or self.last
        self.events += exchange.request.body.count(b'"event":')
        exchange.reply()


def write(spool: Path, url: str) -> None:
    """Leave the log of a process that was killed."""
    directory = Directory(spool, origin_of(settings_of(spool, server_endpoint=url)))
    log = directory.begin()
    data = json.dumps({"event": "x", "text": "y" * 470}).encode()
    for first in range(1, EVENTS + 1, 500):
        log.append([(1, number, data) for number in range(first, first + 500)], time.time())
    directory.close_in_child()


def deliver(url: str, spool: Path) -> dict[str, float]:
    before = resident("VmRSS")
    client = make("Client", url, spool, max_batch_events=500)
    until = time.monotonic() + DEADLINE
    while client.stats().recovered < EVENTS and time.monotonic() < until:
        time.sleep(0.01)
    return {"MiB": round((resident("VmHWM") - before) / MIB, 1)}


def resident(kind: str) -> int:
    """Bytes of memory of this process: now (VmRSS), or at most so far (VmHWM)."""
    (line,) = (each for each in Path("/proc/self/status").read_text("ascii").splitlines() if each.startswith(kind))
    return int(line.split()[1]) * 1024


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do something in a process of its own, and return its report."""
    ear, mouth = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(mouth, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(mouth)
    with open(ear, "rb") as file:
        report: dict[str, Any] = json.loads(file.read())
    os.waitpid(process, 0)
    return report
