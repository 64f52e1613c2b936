"""Files of a log in which bits flip, and what the next process makes of them."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from mindlytics.pipeline.own_run import origin_of
from mindlytics.spool import porch
from mindlytics.spool.directory import Directory

from .found import Found, seeded
from .recovery import Service, check, settings_of

EVENTS = 300
LOGS = 20
"""Logs that are written. Copies of them are damaged."""
FLIPS = 4
"""Most bits that flip in the files of a log."""


def long(seed: int, files: int = 10_000) -> Iterator[Found]:
    """Damage the files of at least so many logs."""
    at_random = seeded(seed, "flips")
    found = Found("flipped bits", {})
    with tempfile.TemporaryDirectory(prefix="flips-") as name, mock.patch.object(porch, "PLACE", Path(name) / "none"):
        for _ in range(LOGS):
            whole, damaged = Path(name) / "whole", Path(name) / "damaged"
            events, service = write(whole, at_random)
            for _ in range(-(-files // LOGS)):
                shutil.copytree(whole, damaged)
                flip(damaged, at_random)
                found += of_one(damaged, events, Service(service.keys, service.stored))
                shutil.rmtree(damaged)
            shutil.rmtree(whole)
    yield found


def short(seed: int) -> Iterator[Found]:
    return long(seed, 200)


def write(spool: Path, at_random: random.Random) -> tuple[list[bytes], Service]:
    """Write the log of a process that was killed. Returns its events, and the service to which it delivered some."""
    directory = Directory(spool, origin_of(settings_of(spool)), segment_bytes=8192)
    log, service = directory.begin(), Service()
    events: list[bytes] = []
    while len(events) < EVENTS:
        first, count = len(events) + 1, at_random.randint(1, 60)
        new = [
            b'{"event":"%d","text":"%s"}' % (number, b"x" * at_random.randrange(100))
            for number in range(first, first + count)
        ]
        log.append([(1, number, data) for number, data in enumerate(new, first)], 2e9)
        events += new
        batch = log.read(at_random.randint(1, 20), 10**9)
        key = f"key {len(service.keys)}"
        log.post(-batch[0][2], -batch[-1][2], key, 2e9, bare=False)
        service.store(key, [each[3] for each in batch])
        if len(events) < EVENTS:  # else it was killed before the reply
            log.settle([-each[2] for each in batch], 2e9)
    directory.close_in_child()
    return events, service


def flip(spool: Path, at_random: random.Random) -> None:
    segments = sorted(spool.rglob("*.log"))
    for _ in range(at_random.randint(1, FLIPS)):
        path = at_random.choice(segments)
        data = bytearray(path.read_bytes())
        data[at_random.randrange(len(data))] ^= 1 << at_random.randrange(8)
        path.write_bytes(data)


def of_one(spool: Path, events: list[bytes], service: Service) -> Found:
    """What becomes of one damaged log. Damage at its very end may hide how many events there were."""
    found = check(settings_of(spool), service, (), {data: number for number, data in enumerate(events)})
    stored = set(service.stored)
    missing = [data not in stored for data in events]
    at_the_end = 0
    while at_the_end < len(missing) and missing[-1 - at_the_end]:
        at_the_end += 1
    uncounted = max(0, sum(missing) - int(found.figures.get("dropped", 0)))
    found.faults["uncounted"] = max(0, uncounted - at_the_end)
    found.figures["uncounted at the very end"] = min(uncounted, at_the_end)
    # the version of a segment of few bytes, and another byte of it: it may be a later version's
    found.figures["left as a later version's"] = found.faults.pop("left", 0)
    found.figures["sent twice"] = found.faults.pop("sent twice", 0)  # where the key was damaged
    return found
