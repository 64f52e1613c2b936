"""Compares the records of one run, and times it in turn: alone, with mindlytics, with Langfuse.

Without the name of a run, it lists them.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import time
from cProfile import Profile
from typing import Any

from attrs import asdict

from benchmarks.figures import percentile

from .recorders import Alone, Langfuse, Mindlytics
from .runs import RUNS, Run, quick, slow

COUNTED = 50
"""Runs whose calls of functions are counted."""


def compare(run: Run, recorders: dict[str, Any]) -> dict[str, Any]:
    """What each recorder recorded of one run."""
    found = {}
    for name, recorder in recorders.items():
        with recorder.looking() as (handlers, client):
            run.start(handlers, client, slow)()
        found[name] = asdict(recorder.recorded())
    return found


def timed(run: Run, recorders: dict[str, Any], rounds: int, calls: int) -> dict[str, float]:
    """The time of one run with each recorder, in microseconds of the calling thread's CPU.

    The recorders take turns. A figure is the lowest decile, which other work on the machine disturbs least.
    """
    times: dict[str, list[float]] = {name: [] for name in recorders}
    for _ in range(rounds):
        for name, recorder in recorders.items():
            with recorder.recording() as (handlers, client):
                start = run.start(handlers, client, quick)
                start()
                for _ in range(calls):
                    began = time.thread_time_ns()
                    start()
                    times[name].append((time.thread_time_ns() - began) / 1e3)
            recorder.forget()
            gc.collect()
    return {name: percentile(measured, 0.1) for name, measured in times.items()}


def counted(run: Run, recorders: dict[str, Any]) -> dict[str, float]:
    """The calls of functions, Python's and C's, of one run with each recorder, on the calling thread."""
    found = {}
    for name, recorder in recorders.items():
        with recorder.recording() as (handlers, client):
            start = run.start(handlers, client, quick)
            start()
            profile = Profile()
            profile.enable()
            for _ in range(COUNTED):
                start()
            profile.disable()
        recorder.forget()
        found[name] = sum(each.callcount for each in profile.getstats()) / COUNTED
    return found


def main(url: str, name: str, rounds: int, calls: int) -> dict[str, Any]:
    logging.disable()
    run = RUNS[name]
    recorders: dict[str, Any] = {"mindlytics": Mindlytics(url), "Langfuse": Langfuse()}
    gc.disable()
    return {
        "expected": {"turns": run.turns, "calls": run.calls, "tokens": run.tokens, "errors": run.errors},
        "recorded": compare(run, recorders),
        "times": timed(run, {"alone": Alone(), **recorders}, rounds, calls),
        "steps": counted(run, {"alone": Alone(), **recorders}),
    }


said = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 1 else {"runs": [*RUNS]}
sys.stdout.write(f"\n{json.dumps(said)}\n")
