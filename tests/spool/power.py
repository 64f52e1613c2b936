"""A machine that loses its power at any moment, and what the next process makes of the disk.

A program is recorded that delivers to a service which fails now and then, ends, and starts again. Its disk is replayed
up to each of its calls, and loses its power there in many ways.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import orjson

from mindlytics import Client
from mindlytics.pipeline import own_run
from mindlytics.spool import porch
from mindlytics.spool.format import Record
from mindlytics.spool.run import Log

from ..sink import Request, Sink
from .disk import Disk, Recorder
from .found import Found, seeded
from .kills import misbehaving
from .recovery import Service, check, settings_of

EVENTS = 120
"""Events of each of the two programs that are recorded."""
SYNCS = (0.0, 0.01)
"""Seconds of ``spool_sync``: before each request, and a window."""


def long(seed: int, states: int = 50_000) -> Iterator[Found]:
    for sync in SYNCS:
        yield run(sync, states, seed)


def short(seed: int) -> Iterator[Found]:
    return long(seed, 500)


def run(sync: float, states: int, seed: int) -> Found:
    """Check that many states of a disk, of as many programs as it takes."""
    at_random = seeded(seed, f"power {sync}")
    found = Found(f"spool_sync={sync:g}", {})
    while found.figures.get("states", 0) < states:
        found += one_program(sync, states - int(found.figures.get("states", 0)), at_random)
    if sync:  # what was sent within the window may be sent again under another key
        found.figures["sent twice"] = found.faults.pop("sent twice")
    return found


def one_program(sync: float, states: int, at_random: random.Random) -> Found:
    """Record a program, and check up to ten states at each of its calls."""
    found = Found("", {}, {"programs": 1})
    with (
        tempfile.TemporaryDirectory(prefix="power-") as name,
        mock.patch.multiple(own_run, SEGMENT_BYTES=4096, TRY_AGAIN=0.02),
        mock.patch.object(porch, "PLACE", Path(name) / "shm"),
    ):
        (Path(name) / "root").mkdir()
        porch.PLACE.mkdir()
        recorder = Recorder(Path(name) / "root", at_random)
        address = record(recorder, Path(name) / "root" / "spool", sync, at_random)
        each = max(1, min(10, states // len(recorder.trace)))
        disk, service = Disk(), Service()
        events = [data for step, values in recorder.trace if step == "appended" for data in values[0]]
        order = {data: number for number, data in enumerate(events)}
        promised: list[bytes] = []
        for step, values in recorder.trace:
            if step == "stored":
                service.store(*values)
            elif step == "promised":
                promised += values[0]
            elif step != "appended":
                getattr(disk, step)(*values)
            for _ in range(each):
                with tempfile.TemporaryDirectory(prefix="state-", dir=name) as place:
                    disk.fail(at_random, Path(place))
                    it = Service(service.keys, service.stored)
                    settings = settings_of(Path(place) / "spool", server_endpoint=address, spool_sync=sync)
                    found += check(settings, it, promised, order)
    return found


def record(recorder: Recorder, spool: Path, sync: float, at_random: random.Random) -> str:
    """Run two programs after each other, and note what they do. Returns the address of their service."""
    append, really_sync = Log.append, Log.sync
    unsynced: dict[str, list[bytes]] = {}

    def appended(log: Log, records: list[Record], *values: Any) -> None:
        append(log, records, *values)
        data = [data for _, _, data in records]
        recorder.note("appended", data)
        unsynced.setdefault(log.path.name, []).extend(data)

    def synced(log: Log) -> None:
        data = unsynced.get(log.path.name, [])
        count = len(data)
        really_sync(log)
        recorder.note("promised", data[:count])
        del data[:count]

    sink = Sink()
    store, behave = sink.store, misbehaving(random.Random(at_random.random()))

    def stored(request: Request) -> None:
        recorder.note("stored", request.key, [orjson.dumps(event) for event in request.json])
        store(request)

    sink.store = stored  # type: ignore[method-assign]
    try:
        with recorder.recording(), mock.patch.multiple(Log, append=appended, sync=synced):
            for number in range(2):
                sink.always = behave
                client = Client(
                    api_key="k",
                    project_id="p",
                    server_endpoint=sink.url,
                    spool=spool,
                    spool_sync=sync,
                    flush_interval=0,
                    max_batch_events=5,
                    max_retry_wait=0.005,
                )
                session = client.create_session(id="u", session_id=f"s{number}")
                for count in range(EVENTS):
                    session.track_event(event=f"{number}/{count}", properties={"text": "x" * at_random.randint(0, 200)})
                    if at_random.random() < 0.2:
                        time.sleep(0.002)
                client.flush(at_random.choice([0.05, 10]))
                client.close(0.1)
    finally:
        sink.close()
    return sink.url
