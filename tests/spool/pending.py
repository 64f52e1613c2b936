"""500,000 events that wait on disk for a service that is down: the memory and the disk that they take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindlytics.spool.reading import size_of, survey, unsettled

from .. import sink as faults
from ..sink import Sink
from .found import Found, scratch
from .kills import drain, import_all, make
from .leftovers import MIB, Counting, in_child, resident

EVENTS = 500_000
WARM = 20_000
"""Events after which the process has all that it needs by itself."""
PART = 2000
"""Events that are recorded before the program waits until they are on disk."""
MOST_MIB = 5
MOST_DISK = 1.1
DEADLINE = 300.0


def long(seed: int, events: int = EVENTS) -> Iterator[Found]:
    import_all()
    sink = Sink()
    sink.always = faults.status(503)
    try:
        with scratch() as spool:
            report = in_child(lambda: pend(sink.url, spool, events))
            counted = Counting()
            sink.always = counted.count
            drain("Client", sink.url, spool)
            yield Found(
                f"{events} pending",
                {
                    "MiB too many": max(0, int(report["MiB"] - MOST_MIB)),
                    "disk too large": int(report["disk to encoded bytes"] > MOST_DISK),
                    "missing": events + WARM - counted.events,
                    "runs left": len(list(spool.glob("*/*-*"))),
                },
                report,
            )
    finally:
        sink.close()


def short(seed: int) -> Iterator[Found]:
    return long(seed, 10_000)


def pend(url: str, spool: Path, events: int) -> dict[str, Any]:
    """Record events until all of them are on disk. Returns what they take."""
    client = make("Client", url, spool, max_batch_events=500, spool_max_bytes=2**30)
    session = client.create_session(id="u")

    def record(count: int) -> None:
        until = time.monotonic() + DEADLINE
        for _ in range(0, count, PART):
            for _ in range(PART):
                session.track_event(event="x", properties={"text": "y" * 330})
            while client.stats().pending > client.stats().spooled and time.monotonic() < until:
                time.sleep(0.001)

    record(WARM)
    before = resident("VmRSS")
    record(events)
    after = resident("VmRSS")
    (run,) = spool.glob("*/*-*")
    encoded = sum(len(data) for _, data in unsettled(run, survey(run).settled))
    disk = size_of(run)
    return {"MiB": round((after - before) / MIB, 1), "disk to encoded bytes": round(disk / encoded, 3)}
