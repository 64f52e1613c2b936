"""Reads a run's log from disk: its events, and up to where they are settled. It neither writes nor locks.

So it can also read the run of a living process, which may remove segments during the read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from attrs import Factory, define

from . import format

_SEGMENT = re.compile(r"(\d{8})\.log")


class UnknownVersion(Exception):
    """The log has another version, and is left as it is."""


class Posted(NamedTuple):
    """A batch that was posted or about to be."""

    first: int
    last: int
    key: str
    bare: bool


@define
class Survey:
    """The state of a log.

    :param last: the number of the last event.
    :param settled: all events up to this number are settled.
    :param number: the number that the last event had in the process that recorded it, or 0 if none is left.
    :param posted: the batches that were posted and not settled, by their first event.
    :param segments: the last event of each segment, by the segment's number.
    :param sizes: the bytes of each segment.
    """

    last: int = 0
    settled: int = 0
    number: int = 0
    posted: dict[int, Posted] = Factory(dict)
    segments: dict[int, int] = Factory(dict)
    sizes: dict[int, int] = Factory(dict)


def survey(path: Path) -> Survey:
    """Read the state of the log in that directory.

    :raises OSError: the disk refuses.
    :raises UnknownVersion: it has another version.
    """
    it = Survey()
    before, latest = 0, b""
    for number, data in _segments(path):
        is_after_gap = number != before + 1
        if is_after_gap:
            it.settled = max(it.settled, it.last)
        before = number
        it.sizes[number] = len(data)
        for found in format.chunks(data, format.seed_of(path.name)):
            if found.kind == format.EVENTS:
                if is_after_gap:
                    it.settled = max(it.settled, found.first - 1)
                it.last = max(it.last, found.first + found.size - 1)
                latest = found.payload
            elif found.kind == format.SETTLED:
                last = format.read_settled(found.payload)
                it.last = max(it.last, last)
                it.settled = max(it.settled, found.first, last if is_after_gap else 0)
            elif found.kind == format.POSTED:
                key, bare = format.read_posted(found.payload)
                batch = Posted(found.first, found.first + found.size - 1, key, bare)
                it.posted[found.first] = batch
                it.last = max(it.last, batch.last)
            is_after_gap = False
        it.segments[number] = it.last
    it.number = max((number for _, number, _ in format.records(latest)), default=0)
    it.posted = {first: batch for first, batch in it.posted.items() if batch.last > it.settled}
    return it


def unsettled(path: Path, settled: int) -> Iterator[tuple[float, bytes]]:
    """The events after that number: when they were written, in seconds since the epoch, and their bytes.

    :raises OSError: the disk refuses.
    :raises UnknownVersion: it has another version.
    """
    for _, whole in _segments(path):
        for found in format.chunks(whole, format.seed_of(path.name)):
            if found.kind == format.EVENTS:
                for place, (_, _, data) in enumerate(format.records(found.payload), found.first):
                    if place > settled:
                        settled = place
                        yield found.wall, data


def _segments(path: Path) -> Iterator[tuple[int, bytes]]:
    for number in sorted(numbers(path)):
        with suppress(FileNotFoundError):  # its process removed it just now, since all of it is settled
            data = segment(path, number).read_bytes()
            if format.is_of_another_version(data, format.seed_of(path.name)):
                raise UnknownVersion(str(path))
            yield number, data


def numbers(path: Path) -> Iterator[int]:
    """The numbers of the segments in a run's directory."""
    for name in os.listdir(path):
        if (match := _SEGMENT.fullmatch(name)) is not None:
            yield int(match[1])


def segment(path: Path, number: int) -> Path:
    """The file of a segment."""
    return path / f"{number:08}.log"


def size_of(path: Path) -> int:
    """Bytes of the files of a run that may be another process's."""
    size = 0
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(OSError):
                size += entry.stat(follow_symlinks=False).st_size
    return size
