"""The results as tables, made once, shown on a terminal and in the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .figures import short, whole
from .sdks import SDKS
from .targets import targets

MIB = 2**20


class Table(NamedTuple):
    """A title, a head, and rows; the first column is text, the others are figures."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""

    def text(self) -> str:
        """For a terminal."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        shown = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([f"== {self.title}", *shown, *([self.note] if self.note else []), ""])

    def markdown(self) -> str:
        """For a page."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        lines = [f"| {' | '.join(line)} |" for line in (self.head, rule, *self.rows)]
        return "\n".join([f"### {self.title}", "", *lines, "", *([self.note, ""] if self.note else [])])


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """Every table that the run has figures for."""
    if "sdks" in result:
        yield _sdks(result)
        yield _limits(result)
    elif "imports" in result:
        yield _imports(result)
    if reached := targets(result):
        yield Table(
            "Targets",
            ("target", "wanted", "reached", ""),
            [(each.promise, each.wanted, each.reached, "met" if each.is_met else "missed") for each in reached],
        )
    yield from _growth(result.get("growth", {}))
    yield from _cases(result.get("cases", {}))


def _sdks(result: dict[str, Any]) -> Table:
    ranked = sorted(result["sdks"], key=lambda line: (bool(line["failure"] or line["lost"]), -line.get("rate", 0)))
    rows = []
    for line in ranked:
        found = result.get("imports", {}).get(line["name"], {})
        if line["failure"]:
            continue
        rows.append(
            (
                line["title"],
                short(line["call_median"]),
                short(line["call_p99"]),
                whole(line["rate"]),
                " to ".join(map(whole, line["spread"])),
                short(line["cpu"]),
                short(line["memory_peak"] / MIB),
                short(found.get("milliseconds")),
                short(line["until_arrived"]),
                short(line["until_ended"]),
                _arrived(line),
            )
        )
    return Table(
        "Side by side",
        (
            "SDK",
            "call, median (µs)",
            "p99 (µs)",
            "events/s",
            "in all rounds",
            "CPU per event (µs)",
            "peak memory (MiB)",
            "import (ms)",
            "last event to all there (s)",
            "to the process's end (s)",
            "arrived",
        ),
        rows,
        " ".join(["Fastest first. A run that lost events has no rank: it stands at the end.", *missing(result)]),
    )


def missing(result: dict[str, Any]) -> list[str]:
    """A sentence for each SDK that is left out, and why."""
    reasons = {SDKS[name].title: reason for name, reason in result.get("left_out", {}).items()}
    reasons |= {line["title"]: f"failed: {line['failure']}" for line in result.get("sdks", []) if line["failure"]}
    return [f"Left out: {title} {reason}." for title, reason in reasons.items()]


def _arrived(line: dict[str, Any]) -> str:
    if line["lost"]:
        return f"lost {whole(line['lost'])}"
    if line["twice"]:
        return f"{whole(line['sent'])} and {whole(line['twice'])} twice"
    return f"all {whole(line['sent'])}"


def _imports(result: dict[str, Any]) -> Table:
    rows = [
        (SDKS[name].title, short(found["milliseconds"]), ", ".join(found["loaded"]) or "none")
        for name, found in result["imports"].items()
    ]
    return Table("Imports", ("SDK", "import (ms)", "HTTP libraries that it loads"), rows)


def _limits(result: dict[str, Any]) -> Table:
    limits = result["limits"]
    rows = [
        (
            f"ready-made bodies of 500 turns through {library}",
            whole(limits[library]["rate"]),
            short(limits[library]["cpu"]),
        )
        for library in ("requests", "aiohttp")
    ]
    each = limits["encoding"]["each"]
    rows.append(("one event made as a dict, encoded by orjson and framed; no queue", whole(1e6 / each), short(each)))
    return Table("The limits", ("", "events/s", "CPU per event (µs)"), rows)


def _growth(growth: dict[str, list[dict[str, Any]]]) -> Iterator[Table]:
    if not growth:
        return
    yield Table(
        "More events",
        (
            "events",
            "face",
            "call, median (µs)",
            "events/s",
            "CPU per event (µs)",
            "memory per event (bytes)",
            "last event to all there (s)",
        ),
        [
            (
                whole(row["events"]),
                SDKS[row["face"]].title.rpartition(" ")[2],
                short(row["call_median"]),
                whole(row["rate"]),
                short(row["cpu"]),
                whole(row["memory_each"]),
                short(row["until_arrived"]),
            )
            for row in growth["events"]
        ],
        "Memory is what the process grew by at its highest; the first rows show what sending imports.",
    )
    yield Table(
        "More open sessions",
        ("sessions", "`create_session` (µs)", "memory, fresh (bytes)", "memory, first turn delivered (bytes)"),
        [
            (
                whole(row["sessions"]),
                short(row["creating"]),
                whole(row["fresh_bytes"]),
                whole(row["open_bytes"]),
            )
            for row in growth["sessions"]
        ],
    )
    if pending := growth.get("pending"):
        yield Table(
            "More pending events: the garbage collector",
            ("pending", "longest pause while recording (ms)", "a full collection (ms)", "of it added by them (ms)"),
            [
                (
                    whole(row["pending"]),
                    short(row["pause_longest"]),
                    short(row["collection"]),
                    short(row["collection_added"]),
                )
                for row in pending
            ],
            "None of them is delivered until the collections are over.",
        )
    yield Table(
        "More threads",
        ("threads", "call, median (µs)", "p99 (µs)", "events/s", "CPU per event (µs)"),
        [
            (
                whole(row["threads"]),
                short(row["call_median"]),
                short(row["call_p99"]),
                whole(row["rate"]),
                short(row["cpu"]),
            )
            for row in growth["threads"]
        ],
        "The threads share the events: 100 000 in a whole run, 5 000 in a short one.",
    )
    yield Table(
        "Larger events",
        ("characters", "call, median (µs)", "events/s", "MiB/s", "CPU per event (µs)", "memory per event (bytes)"),
        [
            (
                whole(row["characters"]),
                short(row["call_median"]),
                whole(row["rate"]),
                short(row["rate"] * row["characters"] / MIB),
                short(row["cpu"]),
                whole(row["memory_each"]),
            )
            for row in growth["sizes"]
        ],
    )


def _cases(cases: dict[str, Any]) -> Iterator[Table]:
    if flask := cases.get("flask"):
        kinds = {
            "without mindlytics": "plain",
            "one client for the app": "one_client",
            "a client made for each request": "client_each",
        }
        yield Table(
            "A Flask app: a session and a turn in each request",
            ("", "request, median (µs)", "p99 (µs)", "added (µs)"),
            [
                (
                    title,
                    short(flask[f"{kind}_median"]),
                    short(flask[f"{kind}_p99"]),
                    short(flask.get(f"added_{kind}")),
                )
                for title, kind in kinds.items()
            ],
            f"{whole(flask['requests'])} requests of each kind, in turns; {_lost(flask)}.",
        )
    if service := cases.get("service"):
        titles = {
            "silent": "tasks that wait for a model, without mindlytics",
            "calm": "tasks that wait for a model, recording",
            "idle": "tasks that wait for nothing, without mindlytics",
            "eager": "tasks that wait for nothing, recording",
        }
        yield Table(
            f"An asyncio service: {whole(service['tasks'])} tasks at once",
            ("", "events/s", "loop late, p99 (ms)", "loop late, most (ms)", "longest step (ms)"),
            [
                (
                    title,
                    whole(service[kind]["rate"]) if "rate" in service[kind] else "-",
                    short(service[kind]["lag_p99"]),
                    short(service[kind]["lag_max"]),
                    short(service[kind].get("step_max")),
                )
                for kind, title in titles.items()
            ],
            f"{whole(service['turns'])} turns for each task, {whole(service['eager_turns'])} where none waits; "
            f"a model takes 0.1 s on average; {_lost(service)}.",
        )
    if cron := cases.get("cron"):
        titles = {
            "nothing": "`python -c pass`",
            "blocking": "`Client`: import, 20 events, end",
            "asyncio": "`AsyncClient`: import, 20 events, end",
            "requests": "a request with requests, without mindlytics",
            "requests_blocking": "a request with requests, and `Client`: import, 20 events, end",
        }
        yield Table(
            "A cron job: the whole process",
            ("", "time (ms)", "CPU (ms)"),
            [
                (title, short(cron[kind]["wall"]), short(cron[kind]["cpu"]))
                for kind, title in titles.items()
                if kind in cron
            ],
            f"{_lost(cron).capitalize()}.",
        )
    if making := cases.get("making"):
        titles = {
            "session": "`client.create_session(…)`, blocking",
            "async_session": "`client.create_session(…)`, asyncio",
            "client": "`Client(…)` of the settings of one that exists",
            "async_client": "`AsyncClient(…)` of the settings of one that exists",
        }
        yield Table("Sessions and clients", ("", "time (µs)"), [(titles[kind], short(making[kind])) for kind in titles])
    if cold := cases.get("cold"):
        yield Table(
            "A cold start: a whole process that imports one SDK, records and ends",
            ("SDK", "20 events (ms)", "CPU (ms)", "1 000 events (ms)", "CPU (ms)"),
            [
                (
                    SDKS[name].title,
                    *(short(row[f"{figure}_{events}"]) for events in (20, 1_000) for figure in ("wall", "cpu")),
                )
                for name, row in sorted(cold["sdks"].items(), key=lambda item: float(item[1]["wall_20"]))
            ],
            "Quickest first.",
        )


def _lost(case: dict[str, Any]) -> str:
    return f"lost {whole(case['lost'])}" if case["lost"] else "no event was lost"
