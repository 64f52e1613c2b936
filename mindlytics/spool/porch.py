"""The porch of a run: memory that outlives the process, where an event waits until it is in the log.

It is a ring in a mapped file of the system's shared memory. An event may be overwritten once it is in the log. The
porch survives a kill, and is lost with the machine's power.

An event's bytes are copied before the head in front of them. So whoever finds a whole head finds the whole event, and
the checksum covers the head alone. It depends on the run, so heads of other runs never match.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import struct
import time
import zlib
from pathlib import Path

from .format import Record, seed_of
from .run import NO_LINK

PLACE = Path("/dev/shm")
"""Where the system keeps shared memory."""
NAME = "mindlytics-"
BYTES = 2 * 1024 * 1024
"""Room for events. All of it is reserved at once, so later writes find their memory."""
HEADER = 4096
"""Bytes before the events. They hold the number of the last event that left the porch, and the run's directory."""
STALE = 3600.0
"""Seconds after which a porch without a run is removed."""
NOWHERE = slice(0, 0)

Prepared = tuple[slice, bytes, slice, bytes, int]
"""What to copy, in this order: the place of an event and its bytes, the place of its head and that. Then the tail."""

_MARK = b"MLP\x01"
_HEAD = struct.Struct("<4sQQdI")
"""Mark, the event's number and its account's, seconds since the epoch, bytes of the event. A checksum follows."""
_CHECKSUM = 4
_HEAD_BYTES = _HEAD.size + _CHECKSUM


class Porch:
    """The porch of a run of this process.

    :param run: the run's directory.
    :raises OSError: the system has none.
    """

    def __init__(self, run: Path) -> None:
        self.tail = 0
        """Bytes written since the beginning, in all rounds. The queue adds to it as it accepts an event."""
        self._head = 0
        self._seed = seed_of(run.name)
        self._path = _place_of(run.name)
        self.buffer: mmap.mmap | bytearray = _mapped(self._path)
        where = os.fsencode(run)[: HEADER - 8]
        self.buffer[8 : 8 + len(where)] = where

    def prepare(self, number: int, account: int, data: bytes) -> Prepared:
        """The copy of an event to make. Without room for it, its places are ``NOWHERE``."""
        size = _HEAD_BYTES + len(data)
        tail = self.tail
        start = tail % BYTES
        if start + size > BYTES:
            tail += BYTES - start
            start = 0
        end = tail + size
        if end - self._head > BYTES:
            return NOWHERE, b"", NOWHERE, b"", self.tail
        head = _HEAD.pack(_MARK, number, account, time.time(), len(data))
        head += zlib.crc32(head, self._seed).to_bytes(_CHECKSUM, "little")
        begin = HEADER + start
        middle = begin + _HEAD_BYTES
        return slice(middle, begin + size), data, slice(begin, middle), head, end

    def is_for(self, data: bytes) -> bool:
        """Whether it can hold an event once others have left."""
        return len(data) < BYTES // 2

    def carried(self, number: int, end: int) -> None:
        """Free the room up to that tail, since all events up to that number are in the log or settled."""
        self.buffer[:8] = number.to_bytes(8, "little")
        self._head = max(self._head, end)

    def leave(self) -> None:
        """Stop writing to it, since it is another process's. An event that is being accepted gets no copy."""
        self.buffer = bytearray()

    def remove(self) -> None:
        """Remove it, since all its events are in the log."""
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
        allocate(file, 0, HEADER + BYTES)  # otherwise a write without memory left would kill the process
        return mmap.mmap(file, HEADER + BYTES)
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(file)


def is_there(run: str) -> bool:
    """Whether a run has a porch."""
    return _place_of(run).exists()


def left_by(run: str, number: int) -> list[tuple[float, Record]]:
    """The events after that number that a run left on its porch, in order, each with the time of its recording."""
    data = _read(_place_of(run))
    number = max(number, int.from_bytes(data[:8], "little"))
    seed, at = seed_of(run), HEADER
    found: dict[int, tuple[float, Record]] = {}
    while (at := data.find(_MARK, at)) >= 0:
        begin = at + _HEAD_BYTES
        head, checksum = data[at : begin - _CHECKSUM], data[begin - _CHECKSUM : begin]
        if zlib.crc32(head, seed).to_bytes(_CHECKSUM, "little") != checksum:
            at += 1
            continue
        _, its, account, wall, size = _HEAD.unpack(head)
        at = begin + size
        if its > number:
            found[its] = (wall, (account, its, data[begin:at]))
    return [event for _, event in sorted(found.items())]


def remove(run: str) -> None:
    """Remove a run's porch, since all its events are in the log."""
    with contextlib.suppress(OSError):
        _place_of(run).unlink()


def remove_stale() -> None:
    """Remove the porches whose run is gone, after a while."""
    with contextlib.suppress(OSError):
        for path in PLACE.glob(f"{NAME}*"):
            if time.time() - path.lstat().st_mtime > STALE and path.lstat().st_uid == os.geteuid():
                run = run_of(path)
                if run is None or not run.exists():
                    path.unlink()


def run_of(path: Path) -> Path | None:
    """The directory of the run that a porch belongs to, or None if its process ended before it said so."""
    name = os.fsdecode(_read(path)[8:HEADER].rstrip(b"\0"))
    return Path(name) if name else None


def _read(path: Path) -> bytes:
    """The bytes of a porch, or none if it is missing or another user's."""
    with contextlib.suppress(OSError), open(os.open(path, os.O_RDONLY | NO_LINK), "rb") as file:
        about = os.fstat(file.fileno())
        if stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid():
            data = file.read(HEADER + BYTES)
            return os.pread(file.fileno(), 8, 0) + data[8:]  # if its process lives, what left by now may be overwritten
    return b""
