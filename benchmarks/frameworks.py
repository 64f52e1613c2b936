"""``python -m benchmarks.frameworks``: what the integrations record and cost, beside Langfuse, on the same runs.

The runs are in ``programs/frameworks/``. Langfuse and the frameworks are installed into ``.benchmarks/``, once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from .environment import described, machine, prepare, versions
from .figures import short
from .process import program
from .sink import Sink

REQUIREMENTS = (
    "langfuse",
    "langchain",
    "langgraph",
    "llama-index-core",
    "openai",
    "openinference-instrumentation-llama-index",
)
PEER = "Langfuse"
FIELDS = ("turns", "calls", "tokens", "errors")


def measured(python: str, rounds: int, calls: int) -> dict[str, Any]:
    """The records and times of each run, made by an environment's Python."""
    with Sink() as sink:
        return {
            name: program("frameworks", sink.url, name, rounds, calls, python=python)
            for name in program("frameworks", python=python)["runs"]
        }


def records(found: Mapping[str, Any]) -> str:
    """A table of what was recorded: what happened, what we recorded, what the peer recorded."""
    lines = ["| run | turns | calls of tools | their ms | tokens | errors |", "|---|---|---|---|---|---|"]
    for name, run in found.items():
        ours, peer = run["recorded"]["mindlytics"], run["recorded"][PEER]
        turns, calls, tokens, errors = (f"{run['expected'][field]}: {ours[field]}, {peer[field]}" for field in FIELDS)
        runtimes = ", ".join(short(sum(each["runtimes"])) if each["runtimes"] else "-" for each in (ours, peer))
        lines.append(f"| {name} | {turns} | {calls} | {runtimes} | {tokens} | {errors} |")
    return "\n".join(lines)


def added(found: Mapping[str, Any], what: str, unit: str) -> str:
    """A table of what is added to each run, and of its ratio to what the peer adds.

    :param what: ``times`` or ``steps``.
    """
    lines = [f"| run | alone, {unit} | mindlytics adds | {PEER} adds | ratio |", "|---|---|---|---|---|"]
    for name, run in found.items():
        alone, ours, peer = (run[what][who] for who in ("alone", "mindlytics", PEER))
        lines.append(
            f"| {name} | {short(alone)} | {short(ours - alone)} | {short(peer - alone)} "
            f"| {short((ours - alone) / (peer - alone))} |"
        )
    return "\n".join(lines)


def worse(found: Mapping[str, Any]) -> list[str]:
    """What we recorded less exactly than the peer did."""
    return [
        f"{name}: {field} {run['recorded']['mindlytics'][field]} instead of {run['expected'][field]}"
        for name, run in found.items()
        for field in FIELDS
        if _error(run, "mindlytics", field) > _error(run, PEER, field)
    ]


def _error(run: Mapping[str, Any], name: str, field: str) -> int:
    return abs(int(run["recorded"][name][field]) - int(run["expected"][field]))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frameworks",
        description=f"Compares the integrations with {PEER}: what they record of the same runs, and what they add.",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often the recorders take turns (default 5)")
    parser.add_argument("--calls", type=int, default=40, help="timed runs of each recorder in a round (default 40)")
    chosen = parser.parse_args()
    python = prepare("frameworks-", REQUIREMENTS)
    found = measured(python, chosen.rounds, chosen.calls)
    named = ", ".join(f"{name} {version}" for name, version in versions(python, REQUIREMENTS).items())
    sys.stdout.write(f"{described(machine())}{named}\n\n{records(found)}\n\n")
    sys.stdout.write(f"{added(found, 'times', 'µs')}\n\n{added(found, 'steps', 'calls')}\n")
    troubles = worse(found)
    sys.stderr.writelines(f"{trouble}\n" for trouble in troubles)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
