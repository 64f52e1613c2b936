"""What the package promises of its speed, each as a ratio or a bound, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .figures import short, whole
from .sdks import OURS, PEERS, SPOOLED


class Target(NamedTuple):
    """One promise and what became of it."""

    promise: str
    wanted: str
    reached: str
    is_met: bool


def targets(result: dict[str, Any]) -> list[Target]:
    """Every target that the run has figures for; ratios are between figures of the same run."""
    return [*_beside_peers(result), *_beside_yardsticks(result), *_with_a_spool(result), *_alone(result)]


def _ranked(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The SDKs that delivered everything, the fastest first."""
    lines = [line for line in result.get("sdks", []) if line["lost"] == 0 and not line["failure"]]
    return {line["name"]: line for line in sorted(lines, key=lambda line: -line["rate"])}


def fastest_peer(result: dict[str, Any]) -> dict[str, Any] | None:
    """The peer with the most events per second among those that delivered everything."""
    return next((line for name, line in _ranked(result).items() if name in PEERS), None)


def _beside_peers(result: dict[str, Any]) -> Iterator[Target]:
    ranked = _ranked(result)
    callers = [line for line in result.get("sdks", []) if line["name"] in PEERS and "call_median" in line]
    peer = fastest_peer(result)
    for line in (ranked[name] for name in OURS if name in ranked):
        if callers:
            quickest = min(callers, key=lambda caller: float(caller["call_median"]))
            share = line["call_median"] / quickest["call_median"]
            yield Target(
                f"a call's median beside that of the quickest peer ({quickest['title']}): {line['title']}",
                "at most 0.5 of it",
                f"{share:.2f} ({short(line['call_median'])} µs to {short(quickest['call_median'])} µs)",
                share <= 0.5,
            )
        if peer is not None:
            ratio = line["rate"] / peer["rate"]
            yield Target(
                f"events per second beside the fastest peer that delivers everything ({peer['title']}): "
                f"{line['title']}",
                "at least 6 times",
                f"{ratio:.1f} times",
                ratio >= 6,
            )
        if "mlsdk" in ranked:
            ratio = line["rate"] / ranked["mlsdk"]["rate"]
            yield Target(
                f"events per second beside mlsdk-python: {line['title']}",
                "at least 100 times",
                f"{ratio:.0f} times",
                ratio >= 100,
            )
        if peer is not None:
            share = line["cpu"] / peer["cpu"]
            yield Target(
                f"CPU for an event beside the fastest peer that delivers everything ({peer['title']}): {line['title']}",
                "at most 0.25 of it",
                f"{share:.2f} ({short(line['cpu'])} µs to {short(peer['cpu'])} µs)",
                share <= 0.25,
            )


def _beside_yardsticks(result: dict[str, Any]) -> Iterator[Target]:
    ranked = _ranked(result)
    if "kafka" in ranked and OURS[0] in ranked:
        share = ranked[OURS[0]]["rate"] / ranked["kafka"]["rate"]
        yield Target(
            f"events per second beside confluent-kafka: {ranked[OURS[0]]['title']}",
            "at least 0.7 of it",
            f"{share:.2f}",
            share >= 0.7,
        )
    for name, limit, wanted in zip(OURS, ("requests", "aiohttp"), (0.6, 0.3), strict=True):
        if name in ranked and limit in result.get("limits", {}):
            share = ranked[name]["rate"] / result["limits"][limit]["rate"]
            yield Target(
                f"events per second beside a loop that posts ready-made bodies through {limit}: "
                f"{ranked[name]['title']}",
                f"at least {wanted} of it",
                f"{share:.2f}",
                share >= wanted,
            )


def _with_a_spool(result: dict[str, Any]) -> Iterator[Target]:
    ranked = _ranked(result)
    if SPOOLED in ranked and OURS[0] in ranked:
        for figure, words, most in (("call_median", "a call's median", 2.5), ("cpu", "CPU for an event", 1.2)):
            with_it, without = ranked[SPOOLED][figure], ranked[OURS[0]][figure]
            yield Target(
                f"{words} with a spool, beside the same without one",
                f"at most {most} times",
                f"{with_it / without:.2f} times ({short(with_it)} µs to {short(without)} µs)",
                with_it / without <= most,
            )


def _at_most(promise: str, value: float, most: float, unit: str) -> Target:
    return Target(promise, f"at most {most:g} {unit}", f"{short(value)} {unit}", value <= most)


def _alone(result: dict[str, Any]) -> Iterator[Target]:
    for name, line in _ranked(result).items():
        if name in OURS:
            yield _at_most(f"a call's median: {line['title']}", line["call_median"], 2, "µs")
            yield _at_most(f"CPU for an event: {line['title']}", line["cpu"], 4, "µs")
    found = result.get("imports", {}).get("mindlytics")
    if found is not None:
        loaded = ", ".join(found["loaded"]) or "no HTTP library"
        yield Target(
            "import of `Client`, without an HTTP library",
            "at most 60 ms",
            f"{found['milliseconds']:.0f} ms, {loaded}",
            found["milliseconds"] <= 60 and not found["loaded"],
        )
    yield from _of_growth(result.get("growth", {}))
    yield from _of_cases(result.get("cases", {}))


def _of_growth(growth: dict[str, list[dict[str, Any]]]) -> Iterator[Target]:
    if threads := growth.get("threads"):
        worst = max(threads, key=lambda row: float(row["call_p99"]))
        yield _at_most(
            f"p99 of a call from 1 to {threads[-1]['threads']} threads (worst with {worst['threads']})",
            worst["call_p99"],
            10,
            "µs",
        )
    if sessions := growth.get("sessions"):
        most = sessions[-1]
        yield Target(
            f"memory of a session, its first turn delivered, {whole(most['sessions'])} of them open",
            "under 1 024 bytes",
            f"{most['open_bytes']:.0f} bytes",
            most["open_bytes"] < 1024,
        )
        yield Target("time to make a session", "under 10 µs", f"{most['creating']:.1f} µs", most["creating"] < 10)
    if pending := growth.get("pending"):
        most = pending[-1]
        promise = f"what {whole(most['pending'])} pending events add to a full garbage collection"
        yield _at_most(promise, most["collection_added"], 5, "ms")
    for row, title in zip(_with(growth, 10_000), ("blocking", "asyncio"), strict=False):
        yield Target(
            f"a backlog of 10 000 events, from the last event until all have arrived: mindlytics, {title}",
            "at most 1 s",
            f"{row['until_arrived']:.2f} s",
            row["until_arrived"] <= 1 and row["lost"] == 0,
        )
    for row in _with(growth, 1_000)[:1]:
        yield Target(
            "the first 1 000 events of a process: mindlytics, blocking",
            "at least 20 000 a second",
            f"{whole(row['rate'])} a second",
            row["rate"] >= 20_000,
        )


def _with(growth: dict[str, list[dict[str, Any]]], events: int) -> list[dict[str, Any]]:
    """The rows of so many events, the blocking face first."""
    return [row for row in growth.get("events", []) if row["events"] == events]


def _of_cases(cases: dict[str, Any]) -> Iterator[Target]:
    if flask := cases.get("flask"):
        yield _at_most("added to a Flask request by a session and a turn", flask["added_one_client"], 30, "µs")
        yield _at_most("the same with a client for each request", flask["added_client_each"], 45, "µs")
    eager = cases.get("service", {}).get("eager", {})
    if "step_max" in eager:
        yield _at_most(
            "the longest step of an asyncio loop whose 1 000 tasks record without a pause", eager["step_max"], 15, "ms"
        )
    cron = cases.get("cron", {})
    if "requests_blocking" in cron:
        promise = "a cron job that makes a request with requests and records 20 events"
        yield _at_most(promise, cron["requests_blocking"]["wall"], 200, "ms")
