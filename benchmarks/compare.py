"""Every SDK and the limits beside each other: A B C, A B C, …, a fresh process for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .figures import middles
from .process import Failed, measure, program
from .progress import say
from .sdks import OURS, SDKS
from .sink import Sink

LIMIT_EVENTS = 4
"""So many times the events of an SDK's run go through the loops that post ready-made bodies: these are fast."""

HTTP_LIBRARIES = ("requests", "aiohttp", "httpx", "urllib3", "http.client")


def recorded(sink: Sink, name: str, *arguments: object, python: str) -> dict[str, Any]:
    """Run a program that records, and put what the sink saw beside what the process reported."""
    sink.take()
    report = program(name, *arguments, python=python)
    seen = sink.take()
    if "arrived" in report:  # at a server of its own
        seen |= {"events": report["arrived"], "last": report["finished"]}
    sent = report["sent"]
    figures = {
        **{figure: value for figure, value in report.items() if figure.startswith(("call_", "lag_", "step_"))},
        "sent": sent,
        "arrived": seen["events"],
        "requests": seen["requests"],
        "bytes_per_event": seen["bytes"] / max(seen["events"], 1),
    }
    if "first" in report and seen["events"]:
        there = max(report["finished"], seen["last"])
        figures["rate"] = sent / (there - report["first"])
        figures["cpu"] = (report["cpu"] - report["cpu_before"]) / sent * 1e6
    if "last" in report and seen["events"]:
        figures["until_arrived"] = max(0.0, seen["last"] - report["last"])
        figures["until_ended"] = report["ended"] - report["last"]
    if "memory_peak" in report:
        figures["memory_peak"] = report["memory_peak"]
        figures["memory_each"] = (report["memory_peak"] - report["memory_before"]) / sent
    return {**report, **figures}


KEPT = (
    "sent",
    "arrived",
    "call_median",
    "call_p99",
    "rate",
    "cpu",
    "memory_peak",
    "memory_each",
    "until_arrived",
    "until_ended",
    "requests",
    "bytes_per_event",
)


def sdks(
    sink: Sink, names: Sequence[str], *, python: str, rounds: int, events: int
) -> tuple[list[Any], dict[str, Any]]:
    """The lines of the SDKs, and the limits.

    A figure is the median over the rounds; ``spread`` holds the lowest and the highest of the rates.
    """
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    failures: dict[str, str] = {}
    limits: dict[str, list[dict[str, Any]]] = {"requests": [], "aiohttp": [], "encoding": []}
    for number in range(rounds):
        for name in names:
            say(f"round {number + 1} of {rounds}: {SDKS[name].title}")
            try:
                runs[name].append(
                    recorded(sink, "calls", name, sink.url, min(events, SDKS[name].events), python=python)
                )
            except Failed as failure:
                failures[name] = str(failure)
        for limit, reports in limits.items():
            say(f"round {number + 1} of {rounds}: the limit of {limit}")
            many = events if limit == "encoding" else LIMIT_EVENTS * events
            reports.append(recorded_limit(sink, limit, many, python=python))
    lines = [_line(name, runs[name], failures.get(name)) for name in names]
    return lines, {limit: middles(reports) for limit, reports in limits.items()}


def _line(name: str, reports: list[dict[str, Any]], failure: str | None) -> dict[str, Any]:
    head = {"name": name, "title": SDKS[name].title, "runs": len(reports), "failure": failure}
    if not reports:
        return {**head, "lost": None}
    lost = max(report["sent"] - report["arrived"] for report in reports)
    twice = max(report["arrived"] - report["sent"] for report in reports)
    return {
        **head,
        "lost": max(0, lost),
        "twice": max(0, twice),
        **middles([{figure: report[figure] for figure in KEPT if figure in report} for report in reports]),
        "spread": [min(report["rate"] for report in reports), max(report["rate"] for report in reports)],
    }


def recorded_limit(sink: Sink, limit: str, events: int, *, python: str) -> dict[str, Any]:
    """One run of a limit: microseconds for an event (``encoding``), or events per second and CPU."""
    if limit == "encoding":
        return {"each": program("limits", limit, sink.url, events, python=python)["each"]}
    report = recorded(sink, "limits", limit, sink.url, events, python=python)
    return {figure: report[figure] for figure in ("sent", "arrived", "rate", "cpu")}


def imports(names: Sequence[str], *, python: str, repeats: int) -> dict[str, Any]:
    """Milliseconds that it takes to import each SDK's client in a fresh interpreter, and the HTTP libraries it loads.

    The first import of each is not counted: it may write compiled files.
    """
    times: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(repeats + 1):
        say(f"imports, {number} of {repeats}")
        for name in names:
            code = (
                "import json, sys, time\n"
                "before = time.perf_counter()\n"
                f"{SDKS[name].importing}\n"
                "spent = time.perf_counter() - before\n"
                f"loaded = [name for name in {HTTP_LIBRARIES!r} if name in sys.modules]\n"
                "print(json.dumps({'milliseconds': spent * 1e3, 'loaded': loaded}))"
            )
            try:
                report = measure(python, "-c", code)
            except Failed:
                if name in OURS:
                    raise
                continue
            if number:
                times[name].append({"milliseconds": report["milliseconds"], "loaded": report["loaded"]})
    return {name: middles(reports) for name, reports in times.items() if reports}
