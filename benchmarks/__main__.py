"""``python -m benchmarks``: what is measured, in which order, and what comes of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from . import report
from .cases import cases
from .compare import imports, sdks
from .environment import CACHE, commit, left_out, machine, prepare, versions
from .growth import growth
from .process import Failed
from .progress import done, say
from .sdks import OURS, SDKS, SPOOLED
from .sink import Sink
from .tables import missing

PARTS = ("sdks", "imports", "growth", "cases")


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures mindlytics and other SDKs side by side, against a sink on this machine.",
        epilog="The other SDKs are installed into .benchmarks/, once; one that cannot be installed or run is left out. "
        "Exits with 1 if events of mindlytics were lost or it did not run, never because of a time.",
    )
    parser.add_argument("--rounds", type=int, help="runs of each SDK; a figure is their median (default 5)")
    parser.add_argument("--events", type=int, help="events in a run, at most (default 100000)")
    parser.add_argument("--short", action="store_true", help="mindlytics alone, under a minute; installs nothing")
    parser.add_argument(
        "--only", nargs="+", choices=[*PARTS, *SDKS], metavar="NAME", help=f"of {', '.join((*PARTS, *SDKS))}"
    )
    parser.add_argument("--out", type=Path, help="where to store the result (default .benchmarks/latest.json)")
    parser.add_argument(
        "--docs", action="store_true", help="put the result into docs/performance.md and benchmarks/results/"
    )
    chosen = parser.parse_args(words)
    if chosen.docs and (chosen.short or chosen.only):
        parser.error("--docs wants a whole run")
    if chosen.rounds is None:
        chosen.rounds = 1 if chosen.short else 5
    if chosen.events is None:
        chosen.events = 5_000 if chosen.short else 100_000
    return chosen


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for, measured."""
    only = set(chosen.only or ())
    parts = only & set(PARTS) or ({"sdks", "imports"} if only else set(PARTS))
    names = [name for name in SDKS if name in only] or list(OURS if chosen.short else SDKS)
    if chosen.short:
        python = sys.executable
    else:
        say("the environment of the SDKs")
        python = prepare()
    installed = versions(python)
    absent = left_out(names, installed)
    names = [name for name in names if name not in absent]
    result: dict[str, Any] = {
        "schema": 1,
        "machine": machine(),
        "versions": installed,
        "left_out": dict.fromkeys(absent, "could not be installed"),
        "options": {"rounds": chosen.rounds, "events": chosen.events, "short": chosen.short},
    }
    repeats = min(chosen.rounds, 3)
    with Sink() as sink:
        if "sdks" in parts:
            result["sdks"], result["limits"] = sdks(
                sink, names, python=python, rounds=chosen.rounds, events=chosen.events
            )
        if "imports" in parts:
            result["imports"] = imports(names, python=python, repeats=2 * chosen.rounds)
        if "growth" in parts:
            result["growth"] = growth(sink, python=python, repeats=repeats, is_short=chosen.short)
        if "cases" in parts:
            result["cases"] = cases(sink, names, python=python, repeats=repeats, is_short=chosen.short)
    if (now := commit()) != result["machine"]["commit"]:
        result["machine"]["commit"] += f" (changed during the run to {now})"
    return result


def troubles(result: dict[str, Any]) -> list[str]:
    """What a run must not be passed with: events of ours lost or sent twice, and a run of ours that failed."""
    lines = [line for line in result.get("sdks", []) if line["name"] in (*OURS, SPOOLED)]
    found = [f"{line['title']}: {line['failure']}" for line in lines if line["failure"]]
    checked = [(line["title"], line) for line in lines if not line["failure"]]
    checked += [(f"growth, {name}", row) for name, rows in result.get("growth", {}).items() for row in rows]
    checked += [(f"case, {name}", case) for name, case in result.get("cases", {}).items() if case is not None]
    for title, line in checked:
        if line["lost"]:
            found.append(f"{title}: lost {line['lost']}")
        if line.get("twice"):
            found.append(f"{title}: {line['twice']} arrived twice")
    return found


def main() -> int:
    chosen = arguments(sys.argv[1:])
    try:
        result = run(chosen)
    except Failed as failure:
        done()
        sys.stderr.write(f"{failure}\n")
        return 1
    done()
    report.store(result, chosen.out or CACHE / "latest.json")
    sys.stdout.write(report.show(result))
    if chosen.docs:
        report.store(result, report.STORED)
        report.document(result)
    sys.stderr.writelines(f"{line}\n" for line in missing(result))
    found = troubles(result)
    sys.stderr.writelines(f"{trouble}\n" for trouble in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
