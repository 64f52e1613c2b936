"""Processes that are killed in the midst of recording, and what became of the calls that had returned.

Each child records numbered events in sessions of its own, and says over a pipe after each that its call has returned.
The service fails now and then, at times after it has stored a batch. At the end of a round, a process that is left
alone delivers what is left. A program of its own, since it forks.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mindlytics
from mindlytics import align
from mindlytics.spool.directory import runs

from .. import sink as faults
from ..sink import Sink
from .found import Found, scratch, seeded

ROUND = 100
"""Processes that are killed before what they left is delivered and checked."""
PATIENCE = 60.0
"""Seconds without progress after which the process that delivers it gives up."""
LONG = {"Client": 5000, "AsyncClient": 5000, "AlignAI": 1000}
SHORT = {"Client": 40, "AsyncClient": 35, "AlignAI": 25}


def long(seed: int, kills: dict[str, int] = LONG) -> Iterator[Found]:
    for face, count in kills.items():
        yield run(face, count, seed)


def short(seed: int) -> Iterator[Found]:
    return long(seed, SHORT)


def run(face: str, kills: int, seed: int) -> Found:
    """Kill that many processes that record with a client of that name."""
    at_random = seeded(seed, face)
    import_all()
    found = Found(f"{face} killed", {})
    for first in range(0, kills, ROUND):
        found += one_round(face, min(ROUND, kills - first), at_random)
    return found


def import_all() -> None:
    """Import in the parent what each child would import by itself, which takes far longer than its life."""
    import aiohttp  # noqa: F401
    import requests  # noqa: F401

    import mindlytics.align.wire
    import mindlytics.delivery.retry
    import mindlytics.pipeline.durable
    import mindlytics.pipeline.leftovers
    import mindlytics.pipeline.own_run
    import mindlytics.pipeline.spooler
    import mindlytics.transport.blocking
    import mindlytics.transport.loop
    import mindlytics.wire  # noqa: F401


def one_round(face: str, kills: int, at_random: random.Random) -> Found:
    sink = Sink()
    sink.always = misbehaving(random.Random(at_random.random()))
    returned: Counter[str] = Counter()
    try:
        with scratch() as spool:
            for number in range(kills):
                returned.update(kill_one(face, sink.url, spool, number, at_random))
            (folder,) = spool.iterdir()
            left = len(runs(folder))
            drain(face, sink.url, spool)
            return Found(
                face,
                {**judge(sink, returned), "undelivered runs": len(runs(folder))},
                {
                    "kills": kills,
                    "calls": returned.total(),
                    "runs left": left,
                    "batches resent under a known key": resent(sink),
                },
            )
    finally:
        sink.close()


def misbehaving(at_random: random.Random) -> faults.Fault:
    def fault(exchange: faults.Exchange) -> None:
        chosen = at_random.random()
        if chosen < 0.15:
            faults.status(503)(exchange)
        elif chosen < 0.3:
            faults.lose_reply(exchange)
        else:
            faults.fine(exchange)

    return fault


def make(face: str, url: str, spool: Path | None, **more: Any) -> Any:
    """A client of that name, which sends small batches soon. Its queue has room for all that a program records."""
    quick = {"max_retry_wait": 0.02, "flush_interval": 0.005, "max_batch_events": 50}
    settings: dict[str, Any] = {"spool": spool, "max_queue_events": 10**6, **quick, **more}
    if "Align" in face:
        return getattr(align, face)(project_id="p", api_key="k", api_host=url, **settings)
    return getattr(mindlytics, face)(api_key="k", project_id="p", server_endpoint=url, **settings)


def kill_one(face: str, url: str, spool: Path, number: int, at_random: random.Random) -> Counter[str]:
    """Start a process, kill it soon after its first call, and return how many calls of each session have returned."""
    pause, sessions = at_random.choice([0, 0.0005, 0.002]), at_random.choice(["a", "a", "ab"])
    ear, said = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(ear)
            child(make(face, url, spool), number, sessions, said, pause)
        finally:
            os._exit(1)
    os.close(said)
    heard = os.read(ear, 1)  # the first call has returned
    time.sleep(at_random.uniform(0, 0.08))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    while data := os.read(ear, 65536):
        heard += data
    os.close(ear)
    return Counter(f"{number}{letter}" for letter in heard.decode())


def child(client: Any, number: int, sessions: str, said: int, pause: float) -> None:
    """Record in all sessions at once, each on a thread or in a task, until the process is killed."""
    if type(client).__name__.startswith("Async"):

        async def main() -> None:
            await asyncio.gather(*(arecord(client, number, letter, said, pause) for letter in sessions))

        asyncio.run(main())
    threads = [threading.Thread(target=record, args=(client, number, letter, said, pause)) for letter in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tracking(client: Any, session: str) -> Callable[[int], Any]:
    """A function that records the event of that number."""
    if hasattr(client, "create_message"):
        return lambda count: client.create_message(session, count + 1, "user", f"{session}/{count}")
    recording = client.create_session(id="u", session_id=session)
    return lambda count: recording.track_event(event=f"{session}/{count}")


def record(client: Any, number: int, letter: str, said: int, pause: float) -> None:
    track = tracking(client, f"{number}{letter}")
    for count in itertools.count():
        track(count)
        os.write(said, letter.encode())
        if pause and count % 5 == 4:
            time.sleep(pause)


async def arecord(client: Any, number: int, letter: str, said: int, pause: float) -> None:
    track = tracking(client, f"{number}{letter}")
    for count in itertools.count():
        await track(count)
        os.write(said, letter.encode())
        if count % 5 == 4:
            await asyncio.sleep(pause)


def drain(face: str, url: str, spool: Path) -> None:
    """Deliver what is left, in a process that is left alone."""
    process = os.fork()
    if process == 0:
        try:
            client = make(face, url, spool)
            recovered, until = 0, time.monotonic() + PATIENCE
            while runs(client.pipeline.spooler.run.directory.path) and time.monotonic() < until:
                time.sleep(0.01)
                if client.stats().recovered > recovered:
                    recovered, until = client.stats().recovered, time.monotonic() + PATIENCE
        finally:
            os._exit(0)
    os.waitpid(process, 0)


def judge(sink: Sink, returned: dict[str, int]) -> dict[str, int]:
    """Compare what is stored with how many calls of each session have returned."""
    stored: dict[str, list[int]] = {session: [] for session in returned}
    for name in sink.names():
        if "/" in name:
            session, number = name.split("/")
            stored.setdefault(session, []).append(int(number))
    return {
        "lost": sum(len(set(range(count)) - set(stored[session])) for session, count in returned.items()),
        "doubled": sum(len(numbers) - len(set(numbers)) for numbers in stored.values()),
        "out of order": sum(numbers != sorted(numbers) for numbers in stored.values()),
    }


def resent(sink: Sink) -> int:
    """How many batches the service got more than once."""
    times = Counter(request.key for request in sink.requests)
    return sum(count > 1 for count in times.values())
