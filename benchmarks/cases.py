"""Programs as people write them: a Flask app, an asyncio service, a cron job, an app without a client, a cold start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .compare import recorded
from .figures import middles
from .process import Failed, measure, program
from .progress import say
from .sdks import OURS
from .sink import Sink

CRON_EVENTS = 20
COLD_EVENTS = (20, 1_000)
TASKS = 1_000

EAGER = 5
"""So many times the turns for tasks that wait for nothing: they are done soon."""


def cases(sink: Sink, names: Sequence[str], *, python: str, repeats: int, is_short: bool) -> dict[str, Any]:
    """Each case's figures; None for Flask where it is not installed.

    :param names: the SDKs that start cold.
    """
    return {
        "flask": _flask(sink, python, 300 if is_short else 2_000),
        "service": _service(sink, python, 1 if is_short else repeats, 3 if is_short else 20),
        "cron": _cron(sink, python, 3 if is_short else 2 * repeats + 5),
        "making": _making(sink, python, 1 if is_short else repeats, 100 if is_short else 5_000),
        "cold": _cold(sink, names, python, 1 if is_short else 2 * repeats + 1),
    }


def _flask(sink: Sink, python: str, requests: int) -> dict[str, Any] | None:
    """Microseconds for a request, and what mindlytics adds to it."""
    try:
        measure(python, "-c", "import flask")
    except Failed:
        return None
    say("case: Flask")
    report = recorded(sink, "flask_app", sink.url, requests, python=python)
    kinds = {name: value for name, value in report.items() if name.endswith(("_median", "_p99"))}
    return {
        "requests": requests,
        "lost": report["sent"] - report["arrived"],
        **kinds,
        "added_one_client": report["one_client_median"] - report["plain_median"],
        "added_client_each": report["client_each_median"] - report["plain_median"],
    }


def _service(sink: Sink, python: str, repeats: int, turns: int) -> dict[str, Any]:
    """How late the loop is with 1 000 tasks, and how much they get through when they do nothing but record."""
    kinds: dict[str, list[dict[str, Any]]] = {"silent": [], "calm": [], "idle": [], "eager": []}
    for _ in range(repeats):
        for kind, reports in kinds.items():
            say(f"case: asyncio service, {kind}")
            count = turns if kind in ("silent", "calm") else EAGER * turns
            report = recorded(sink, "tasks", sink.url, kind, TASKS, count, python=python)
            names = ("sent", "arrived", "rate", "cpu", "lag_p99", "lag_max", "step_max")
            reports.append({name: report[name] for name in names if name in report})
    lost = sum(report["sent"] - report["arrived"] for reports in kinds.values() for report in reports)
    return {
        "tasks": TASKS,
        "turns": turns,
        "eager_turns": EAGER * turns,
        "lost": lost,
        **{kind: middles(reports) for kind, reports in kinds.items()},
    }


def _cron(sink: Sink, python: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of a whole process: nothing, an import, 20 events and the end, and with a request of its own."""
    job = (python, "-m", "benchmarks.programs.cron")
    commands = {
        "nothing": (python, "-c", "pass"),
        "blocking": (*job, "blocking", sink.url),
        "asyncio": (*job, "asyncio", sink.url),
        "requests": (*job, "requests", sink.url),
        "requests_blocking": (*job, "requests_blocking", sink.url),
    }
    walls: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    say("case: cron job")
    sink.take()
    for _ in range(repeats):
        for name, command in commands.items():
            report = measure(*command)
            walls[name].append({"wall": report["wall"] * 1e3, "cpu": report["cpu"] * 1e3})
    lost = 3 * repeats * CRON_EVENTS - sink.take()["events"]
    return {"events": CRON_EVENTS, "lost": lost, **{name: middles(reports) for name, reports in walls.items()}}


def _making(sink: Sink, python: str, repeats: int, count: int) -> dict[str, Any]:
    """Microseconds for a session, and for a client of the same settings as one that exists."""
    say("case: making sessions and clients")
    return {"lost": 0, **middles([program("making", sink.url, count, python=python) for _ in range(repeats)])}


def _cold(sink: Sink, names: Sequence[str], python: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of a whole process that imports one SDK and records few events, or some more."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    lost = 0
    for number in range(repeats):
        for name in names:
            say(f"case: cold start, {number + 1} of {repeats}, {name}")
            sink.take()
            try:
                reports = {events: program("cold", name, sink.url, events, python=python) for events in COLD_EVENTS}
            except Failed:
                if name in OURS:
                    raise
                continue
            if name in OURS:
                lost += sum(COLD_EVENTS) - sink.take()["events"]
            times = {f"{figure}_{events}": reports[events][figure] for events in reports for figure in ("wall", "cpu")}
            runs[name].append({figure: seconds * 1e3 for figure, seconds in times.items()})
    return {"lost": lost, "sdks": {name: middles(reports) for name, reports in runs.items() if reports}}
