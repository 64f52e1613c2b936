"""The porch of a run: memory that outlives the process, where an event waits until it is in the log.

A file of the system's shared memory, mapped. Events are chunks of one event each, as in the log, one after the other,
and round again. What is carried to the log may be overwritten. A kill loses nothing of it, a loss of power all.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import time
from pathlib import Path

from . import format
from .format import Record
from .run import NO_LINK

PLACE = Path("/dev/shm")
"""Where the system keeps shared memory."""
NAME = "mindlytics-"
BYTES = 2 * 1024 * 1024
"""Room for events, all of it taken from the system at once, so that a write never meets a lack of memory."""
HEADER = 4096
"""Bytes before the events: up to which number they are settled or in the log, and the directory of the run."""
STALE = 3600.0
"""Seconds after which a porch is removed whose run is gone."""
NOWHERE = slice(0, 0)


class Porch:
    """The porch of a run of this process.

    :param run: the run's directory.
    :raises OSError: the system has none.
    """

    def __init__(self, run: Path) -> None:
        self.tail = 0
        """Up to here, counted on beyond the end, events were written. Whoever accepts an event changes it."""
        self._head = 0
        self._seed = format.seed_of(run.name)
        self._path = _place_of(run.name)
        self.buffer: mmap.mmap | bytearray = _mapped(self._path)
        where = os.fsencode(run)[: HEADER - 8]
        self.buffer[8 : 8 + len(where)] = where

    def prepare(self, number: int, account: int, data: bytes) -> tuple[slice, bytes, int]:
        """An event as it is written, where, and what the tail is after that; nothing and nowhere without room."""
        written = format.single(self._seed, Record(account, number, data), time.time())
        tail = self.tail
        start = tail % BYTES
        if start + len(written) > BYTES:
            tail += BYTES - start
            start = 0
        end = tail + len(written)
        if end - self._head > BYTES:
            return NOWHERE, b"", self.tail
        return slice(HEADER + start, HEADER + start + len(written)), written, end

    def is_for(self, data: bytes) -> bool:
        """Whether it will have room for an event once others are carried away."""
        return len(data) < BYTES // 2

    def carried(self, number: int, end: int) -> None:
        """All events up to that number are in the log or settled, and up to that tail there is room again."""
        self.buffer[:8] = number.to_bytes(8, "little")
        self._head = max(self._head, end)

    def leave(self) -> None:
        """Write no more to it: it is another process's. What is just being accepted is written to nowhere."""
        self.buffer = bytearray()

    def remove(self) -> None:
        """Remove it: all that was there is in the log."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def _place_of(run: str) -> Path:
    return PLACE / f"{NAME}{run}"


def _mapped(path: Path) -> mmap.mmap:
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is None:
        raise OSError("this system cannot reserve memory")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600)
    try:
        allocate(file, 0, HEADER + BYTES)  # else a write beyond what is left would end the process
        return mmap.mmap(file, HEADER + BYTES)
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(file)


def left_by(run: str, number: int) -> list[tuple[float, Record]]:
    """What a run left on its porch beyond the event of that number, in order: when it was recorded, and itself."""
    data = _read(_place_of(run))
    number = max(number, int.from_bytes(data[:8], "little"))
    found: dict[int, tuple[float, Record]] = {}
    for chunk in format.chunks(data[HEADER:], format.seed_of(run)):
        if chunk.first > number:
            (record,) = format.records(chunk.payload)
            found[chunk.first] = (chunk.wall, record)
    return [event for _, event in sorted(found.items())]


def remove(run: str) -> None:
    """Remove what a run left: it is in the log."""
    with contextlib.suppress(OSError):
        _place_of(run).unlink()


def remove_stale() -> None:
    """Remove the porches of runs that are gone, with all their events."""
    with contextlib.suppress(OSError):
        for path in PLACE.glob(f"{NAME}*"):
            if time.time() - path.lstat().st_mtime > STALE and path.lstat().st_uid == os.geteuid():
                run = _read(path)[8:HEADER].rstrip(b"\0")
                if not os.path.exists(run):
                    path.unlink()


def _read(path: Path) -> bytes:
    """What is in a porch of this user's; nothing where there is none."""
    with contextlib.suppress(OSError), open(os.open(path, os.O_RDONLY | NO_LINK), "rb") as file:
        about = os.fstat(file.fileno())
        if stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid():
            return file.read(HEADER + BYTES)
    return b""
