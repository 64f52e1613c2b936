"""Processes that are killed in the midst of recording, and what became of the calls that had returned.

A program of its own, since it forks: ``python -m tests.spool.kills FACE KILLS``. It prints what it found as JSON.
Each child records numbered events of a session of its own, and says over a pipe how many calls have returned. The
service fails now and then, at times after it has stored a batch. At the end, a process that is left alone delivers what
is left.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from typing import Any

from mindlytics.spool.directory import runs

from .. import sink as faults
from ..sink import Sink

DEADLINE = 120.0
"""Seconds that the last processes are given."""


def misbehave(at_random: random.Random) -> faults.Fault:
    def fault(exchange: faults.Exchange) -> None:
        chosen = at_random.random()
        if chosen < 0.15:
            faults.status(503)(exchange)
        elif chosen < 0.3:
            faults.lose_reply(exchange)
        else:
            faults.fine(exchange)

    return fault


def make(face: str, url: str, spool: str) -> Any:
    import mindlytics
    from mindlytics import align

    settings: dict[str, Any] = {"spool": spool, "max_retry_wait": 0.02, "flush_interval": 0.005, "max_batch_events": 50}
    if "Align" in face:
        return getattr(align, face)(project_id="p", api_key="k", api_host=url, **settings)
    return getattr(mindlytics, face)(api_key="k", project_id="p", server_endpoint=url, **settings)


def record(client: Any, session: str, said: int, pause: float) -> None:
    """Record one event after the other, and say after each that its call has returned."""
    number = 0
    if hasattr(client, "create_message"):

        def track() -> None:
            client.create_message(session, number + 1, "user", f"{session}/{number}")
    else:
        recording = client.create_session(id="u", session_id=session)

        def track() -> None:
            recording.track_event(event=f"{session}/{number}")

    while True:
        track()
        number += 1
        os.write(said, b".")
        if pause and number % 5 == 0:
            time.sleep(pause)


def child(face: str, url: str, spool: str, session: str, said: int) -> None:
    try:
        client = make(face, url, spool)
        pause = random.Random(session).choice([0, 0.0005, 0.002])
        if face.startswith("Async"):

            async def main() -> None:
                await asyncio.to_thread(record, client, session, said, pause)

            asyncio.run(main())
        record(client, session, said, pause)
    finally:
        os._exit(1)


def run(face: str, kills: int, seed: int) -> dict[str, Any]:
    """Kill that many processes. Returns what was lost, doubled and out of order."""
    at_random = random.Random(seed)
    import mindlytics.align.wire
    import mindlytics.wire  # noqa: F401  once for all children

    sink = Sink()
    sink.always = misbehave(random.Random(seed))
    spool = tempfile.mkdtemp()
    returned: dict[str, int] = {}
    try:
        for number in range(kills):
            session = f"s{number}"
            ear, said = os.pipe()
            process = os.fork()
            if process == 0:
                os.close(ear)
                child(face, sink.url, spool, session, said)
            os.close(said)
            count = len(os.read(ear, 1))  # the first call has returned
            time.sleep(at_random.uniform(0, 0.08))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            while data := os.read(ear, 65536):
                count += len(data)
            os.close(ear)
            returned[session] = count
        left = len([name for name in os.listdir(f"{spool}/{os.listdir(spool)[0]}") if name != "about.json"])
        until = time.monotonic() + DEADLINE
        process = os.fork()
        if process == 0:
            client = make(face, sink.url, spool)
            while runs(client.pipeline.spooler.directory.path) and time.monotonic() < until:
                time.sleep(0.05)
            os._exit(0)
        os.waitpid(process, 0)
        return {**judge(sink, returned), "kills": kills, "left": left}
    finally:
        shutil.rmtree(spool)
        sink.close()


def judge(sink: Sink, returned: dict[str, int]) -> dict[str, int]:
    stored: dict[str, list[int]] = {session: [] for session in returned}
    for name in sink.names():
        if "/" in name:
            session, number = name.split("/")
            stored[session].append(int(number))
    times = Counter(request.key for request in sink.requests)
    return {
        "returned": sum(returned.values()),
        "lost": sum(len(set(range(count)) - set(stored[session])) for session, count in returned.items()),
        "doubled": sum(len(numbers) - len(set(numbers)) for numbers in stored.values()),
        "disordered": sum(numbers != sorted(numbers) for numbers in stored.values()),
        "resent": sum(count > 1 for count in times.values()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)))
