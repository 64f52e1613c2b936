"""What the package promises of its speed, each as a ratio or a bound, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .figures import short, whole
from .sdks import OURS, PEERS


class Target(NamedTuple):
    """One promise and what became of it."""

    promise: str
    wanted: str
    reached: str
    is_met: bool


def targets(result: dict[str, Any]) -> list[Target]:
    """Every target that the run has figures for; ratios are between figures of the same run."""
    return [*_beside_peers(result), *_beside_limits(result), *_alone(result)]


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


def _beside_limits(result: dict[str, Any]) -> Iterator[Target]:
    ranked = _ranked(result)
    for name, limit in zip(OURS, ("requests", "aiohttp"), strict=True):
        if name in ranked and limit in result.get("limits", {}):
            share = ranked[name]["rate"] / result["limits"][limit]["rate"]
            yield Target(
                f"events per second beside a loop that posts ready-made bodies through {limit}: "
                f"{ranked[name]['title']}",
                "at least 0.5 of it",
                f"{share:.2f}",
                share >= 0.5,
            )


def _alone(result: dict[str, Any]) -> Iterator[Target]:
    sessions = result.get("growth", {}).get("sessions", [])
    if sessions:
        most = sessions[-1]
        yield Target(
            f"memory of a session, its first turn delivered, {whole(most['sessions'])} of them open",
            "under 1 024 bytes",
            f"{most['open_bytes']:.0f} bytes",
            most["open_bytes"] < 1024,
        )
        yield Target("time to make a session", "under 10 µs", f"{most['creating']:.1f} µs", most["creating"] < 10)
    for name, title in zip(OURS, ("Client", "AsyncClient"), strict=True):
        found = result.get("imports", {}).get(name)
        if found is not None and title == "Client":
            loaded = ", ".join(found["loaded"]) or "no HTTP library"
            yield Target(
                "import of `Client`, without an HTTP library",
                "at most 60 ms",
                f"{found['milliseconds']:.0f} ms, {loaded}",
                found["milliseconds"] <= 60 and not found["loaded"],
            )
    backlog = [row for row in result.get("growth", {}).get("events", []) if row["events"] == 10_000]
    for row, title in zip(backlog, ("blocking", "asyncio"), strict=False):
        yield Target(
            f"a backlog of 10 000 events, from the last event until all have arrived: mindlytics, {title}",
            "at most 1 s",
            f"{row['until_arrived']:.2f} s",
            row["until_arrived"] <= 1 and row["lost"] == 0,
        )
