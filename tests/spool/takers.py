"""Runs of dead processes, and processes that take them over at once and are killed in the midst of it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mindlytics.pipeline.own_run import origin_of
from mindlytics.spool.directory import Directory, runs

from ..sink import Sink
from .found import Found, scratch, seeded
from .kills import import_all, judge, make, misbehaving, resent
from .recovery import settings_of

EVENTS = 120
"""Events of each dead run."""
DEADLINE = 300.0
"""Seconds for all of it."""


def long(seed: int) -> Iterator[Found]:
    yield run(dead=200, takers=6, kills=100, at_random=seeded(seed, "takers"))


def short(seed: int) -> Iterator[Found]:
    yield run(dead=20, takers=4, kills=10, at_random=seeded(seed, "takers"))


def run(dead: int, takers: int, kills: int, at_random: random.Random) -> Found:
    """Let processes take over that many dead runs, and kill at least that many of the processes meanwhile."""
    import_all()
    sink = Sink()
    sink.always = misbehaving(random.Random(at_random.random()))
    living: list[int] = []
    killed, until = 0, time.monotonic() + DEADLINE
    try:
        with scratch() as spool:
            directory = Directory(spool, origin_of(settings_of(spool, server_endpoint=sink.url)))
            for number in range(dead):
                write(directory, number)
            while runs(directory.path) and time.monotonic() < until:
                while len(living) < takers:
                    living.append(start(sink.url, spool))
                time.sleep(at_random.uniform(0, 0.1))
                if killed < kills:
                    kill(living.pop(at_random.randrange(takers)))
                    killed += 1
            while living:
                kill(living.pop())
            left = len(runs(directory.path))
            found = judge(sink, {str(number): EVENTS for number in range(dead)})
            figures = {"dead runs": dead, "takers": takers, "kills": killed, "events": dead * EVENTS}
            return Found(
                "takers", {**found, "left": left}, {**figures, "batches resent under a known key": resent(sink)}
            )
    finally:
        sink.close()


def write(directory: Directory, number: int) -> None:
    """Leave the log of a process that was killed."""
    log = directory.begin()
    for first in range(0, EVENTS, 30):
        data = [b'{"event":"%d/%d"}' % (number, count) for count in range(first, first + 30)]
        log.append([(1, count, each) for count, each in enumerate(data, first + 1)], time.time())
    directory.close_in_child()


def start(url: str, spool: Path) -> int:
    process = os.fork()
    if process:
        return process
    try:
        client = make("Client", url, spool, max_batch_events=5)
        while client:
            time.sleep(1)
    finally:
        os._exit(1)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
