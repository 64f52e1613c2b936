"""What becomes of time and memory when there is more of something: events, open sessions, threads, bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .compare import recorded
from .figures import middles
from .progress import say
from .sdks import OURS, SDKS
from .sink import Sink

Rows = list[dict[str, Any]]

EVENTS = (1_000, 10_000, 100_000, 1_000_000)
SESSIONS = (1, 100, 10_000, 100_000)
PENDING = (1_000, 10_000, 100_000)
THREADS = (1, 4, 16, 64)
SIZES = (200, 1_000, 10_000, 100_000)
"""Characters that user and assistant say together in a turn."""

LARGE = 500_000
"""Events from which on a single run has to do."""

BYTES = 50_000_000
"""Bytes that a run with turns of a given size sends at most, about."""

THREADS_SHARE = 100_000
"""Events that the threads record together: each has to live long enough to meet the others."""

SIZED = 20_000
"""Events in a run with turns of a given size at most."""


def growth(sink: Sink, *, python: str, repeats: int, is_short: bool) -> dict[str, Rows]:
    """The five tables; the short form takes the small half of each."""

    def some(steps: tuple[int, ...]) -> tuple[int, ...]:
        return steps[:2] if is_short else steps

    def run(name: str, *arguments: object) -> dict[str, Any]:
        return recorded(sink, name, *arguments, python=python)

    def calls(count: int, face: str) -> dict[str, Any]:
        return run("calls", face, sink.url, count)

    def sessions(count: int, _: str) -> dict[str, Any]:
        return run("sessions", sink.url, count)

    def pending(count: int, _: str) -> dict[str, Any]:
        return run("pending", sink.url, count)

    def threads(count: int, _: str) -> dict[str, Any]:
        return run("threads", sink.url, count, 5_000 if is_short else THREADS_SHARE)

    def sizes(size: int, face: str) -> dict[str, Any]:
        return run("calls", face, sink.url, min(SIZED, BYTES // size), "--size", size)

    blocking = OURS[:1]
    return {
        "events": _table("events", some(EVENTS), OURS, repeats, calls),
        "sessions": _table("sessions", some(SESSIONS), blocking, repeats, sessions),
        "pending": _table("pending", some(PENDING), blocking, repeats, pending),
        "threads": _table("threads", some(THREADS), blocking, repeats, threads),
        "sizes": _table("characters", some(SIZES), blocking, repeats, sizes),
    }


KEPT = (
    "sent",
    "arrived",
    "call_median",
    "call_p99",
    "rate",
    "cpu",
    "memory_each",
    "until_arrived",
    "until_ended",
    "creating",
    "fresh_bytes",
    "open_bytes",
    "pause_longest",
    "collection",
    "collection_added",
)


def _table(
    unit: str,
    steps: Sequence[int],
    faces: Sequence[str],
    repeats: int,
    run: Callable[[int, str], dict[str, Any]],
) -> Rows:
    rows = []
    for step in steps:
        for face in faces:
            say(f"growth: {step} {unit}, {SDKS[face].title}")
            reports = [run(step, face) for _ in range(1 if step >= LARGE else repeats)]
            kept = [{figure: report[figure] for figure in KEPT if figure in report} for report in reports]
            lost = sum(report["sent"] - report["arrived"] for report in reports)
            rows.append({unit: step, "face": face, "lost": lost, **middles(kept)})
    return rows
