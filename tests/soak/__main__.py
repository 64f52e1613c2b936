"""``python -m tests.soak``: deliver a million events through a service that fails at random, and count.

Four threads with blocking clients and two event loops with asyncio clients, against a service in a process of its own
(``service.py``). At the end every event has arrived once, in its session's order, or was refused for what it is; the
accounts say so too; and the memory of this process is where it was.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import Any

import orjson

from .load import THREADS, Load
from .numbers import next_wanted
from .service import MOODS

SETTINGS: dict[str, Any] = {
    "api_key": "soak",
    "project_id": "soak",
    "max_batch_events": 200,
    "max_batch_bytes": 128 * 1024,
    "max_queue_events": 4000,
    "on_full": "block",
    "block_timeout": 300,
    "request_timeout": 3,
    "retry_for": 300,
    "max_retry_wait": 2,
}
WARM_UP = 1 / 8
"""The share of the time after which memory is looked at. It begins with an outage in which the queues become full,
since an allocator keeps what was needed once.
"""

GROWTH = 1.05
"""By how much the memory of the last quarter may exceed that of the first."""

PLAIN_MEMORY = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
"""With an arena for each thread, and Python's own below them, memory that is free again is scattered over more pages
the longer a program runs; what is measured should be what is held.
"""

say = partial(print, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=15, help="over how long the events are spread")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of everything that is random")
    options = parser.parse_args()
    if os.environ.get("PYTHONMALLOC") is None:
        os.execve(sys.executable, [sys.executable, "-m", "tests.soak", *sys.argv[1:]], {**os.environ, **PLAIN_MEMORY})
    logging.getLogger("mindlytics").setLevel(logging.ERROR)  # each outage is worth a warning; here they are the plan
    say(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    say(f"{options.events} events in {options.minutes:g} minutes, --seed {options.seed}")
    outage = min(
        options.minutes * 60 * WARM_UP / 2, 3 * SETTINGS["max_queue_events"] * options.minutes * 60 / options.events
    )
    service = subprocess.Popen(
        [sys.executable, "-m", "tests.soak.service", str(options.seed), str(outage)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdin is not None
    assert service.stdout is not None
    with service:
        url = f"http://127.0.0.1:{service.stdout.readline().strip()}"
        load = Load(options.events, options.minutes * 60, options.seed, {**SETTINGS, "server_endpoint": url})
        began = time.monotonic()
        accounts = load.run()
        took = time.monotonic() - began
        service.stdin.close()
        report = orjson.loads(service.stdout.read())
    return tell(load, accounts, report, took)


def tell(load: Load, accounts: tuple[Any, Any], report: dict[str, Any], took: float) -> int:
    """Print the findings. Returns 1 if a promise was broken."""
    counts, violations = report["counts"], list(report["violations"])
    tracked = sum(load.totals.values())
    poisons = sum(play.poisons for play in load.plays)
    say(f"{tracked} events of {len(load.totals)} sessions in {took:.0f} s; {counts['requests']} requests")
    met = {name: counts.get(name, 0) for name in ("outage", *MOODS, "400", "413")}
    say("faults met: " + ", ".join(f"{name} {count}" for name, count in met.items()))
    say(f"arrived {counts['events']}, refused {poisons}; batches sent again after they were taken: {counts['repeats']}")
    violations += lost(load.totals, report["wanted"])
    violations += load.failures + load.told_else
    if counts.get("violations", 0) > len(report["violations"]):
        violations.append(f"and {counts['violations']} violations in all were seen by the service")
    by_face = [sum(play.done for play in load.plays[:THREADS]), sum(play.done for play in load.plays[THREADS:])]
    for face, account, counted in zip(("blocking", "asyncio"), accounts, by_face, strict=True):
        say(f"{face}: {account}")
        if not counted == account.accepted == account.delivered + account.refused or account.dropped or account.pending:
            violations.append(f"the {face} account does not balance: {account}, given {counted}")
    if (poisons, poisons) != (load.told_refused, sum(account.refused for account in accounts)):
        violations.append(f"{poisons} events were to be refused, on_error was told of {load.told_refused}")
    if tracked != counts["events"] + poisons:
        violations.append(f"{tracked} events were tracked, {counts['events']} arrived, {poisons} were to be refused")
    violations += memory(load)
    for violation in violations:
        say(f"VIOLATION: {violation}")
    say("FAILED" if violations else "every promise was kept")
    return 1 if violations else 0


def lost(totals: dict[str, int], wanted: dict[str, int]) -> list[str]:
    """Sessions that did not arrive to their end."""
    return [
        f"{session}: ends with {wanted.get(session)}, not {next_wanted(session, total)}"
        for session, total in totals.items()
        if wanted.get(session, next_wanted(session, 0)) != next_wanted(session, total)
    ]


def memory(load: Load) -> list[str]:
    """The memory samples after the warm-up: the median of each quarter, the last compared with the first."""
    samples = [size / 2**20 for at, size in load.rss if size and at > load.seconds * WARM_UP]
    quarter = len(samples) // 4
    if not quarter:
        say("memory: too few samples")
        return []
    medians = [statistics.median(samples[start : start + quarter]) for start in range(0, 4 * quarter, quarter)]
    shown = ", ".join(f"{median:.1f}" for median in medians)
    say(f"memory (RSS), medians of the quarters: {shown} MiB; highest {max(samples):.1f}, {len(samples)} samples")
    return [f"memory grew: {shown} MiB"] if medians[-1] > medians[0] * GROWTH else []


if __name__ == "__main__":
    sys.exit(main())
