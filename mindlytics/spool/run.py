"""The log of one run: a directory with a lock file and numbered segments, written by one process at a time.

A batch is noted in the log before it is posted, and settled events after it. Events are settled in order, so one number
says how far. A segment is removed once all of it is settled. The events behind damaged bytes can still be read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import format
from .format import Record
from .reading import Posted, numbers, segment, survey

SEGMENT_BYTES = 4 * 1024 * 1024
"""Bytes after which a new segment begins."""
READY_BYTES = 1024 * 1024
"""Bytes of events that are also kept in memory, to save reading them back."""
BLOCK_BYTES = 512 * 1024
"""Bytes that are read back at once, at least a chunk."""

CHUNK_EVENTS = 20
"""Most events of a chunk, which is what one damaged byte costs. A write may have many chunks."""

LOCK = "lock"

Logged = tuple[int, int, int, bytes]
"""An event of a log: its number and its account's in the recording process, minus its place in the log, its bytes."""

NO_LINK = os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) if hasattr(os, "O_CLOEXEC") else 0


class Log:
    """One run's log, open and locked.

    :param path: its directory.
    :param lock: the descriptor that holds its lock.
    :param segment_bytes: bytes after which a new segment begins.
    :raises OSError: the disk refuses.
    :raises UnknownVersion: it has another version.
    """

    def __init__(self, path: Path, lock: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.path = path
        self.last: int = 0
        """The number of the last event."""
        self.settled: int = 0
        """All events up to this number are settled."""
        self.posted: dict[int, Posted] = {}
        """The batches that an earlier process posted, by their first event."""
        self.written_at: dict[int, float] = {}
        """When the unsettled events were written that are in memory, in seconds since the epoch, by place and in order.
        """
        self._lock_descriptor = lock
        self._seed = format.seed_of(path.name)
        self._segment_bytes = segment_bytes
        self._guard = threading.Lock()
        self._segments: dict[int, int] = {}
        self._sizes: dict[int, int] = {}
        self._current = 0
        self._writing = -1
        self._reading = -1
        self._reading_from = 0
        self._offset = 0
        self._read = 0
        self._ready: deque[Logged] = deque()
        self._ready_bytes = 0
        self._handed_out = 0
        self._is_dirty, self._is_new = False, True
        self._was_removed = False
        """Whether segments were removed since the names were synced."""
        self._recover()

    # -- as it was found

    def _recover(self) -> None:
        """Read the log's state: its last event, the settled ones, and the posted batches."""
        found = survey(self.path)
        self.last, self.settled, self.posted = found.last, found.settled, found.posted
        self.number: int = found.number
        self._segments, self._sizes = found.segments, found.sizes
        self._current = max(found.segments, default=0)
        self._read = self._found_settled = self.settled
        if self._current:
            self._writing = self._open(self._current, os.O_RDWR | os.O_APPEND)
            self._remove_settled()
            self._start_reading(min(self._segments))

    def _open(self, number: int, flags: int) -> int:
        return os.open(segment(self.path, number), flags | NO_LINK, 0o600)

    # -- writing

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values())

    @property
    def is_settled(self) -> bool:
        """Whether all its events are settled."""
        return self.settled >= self.last

    @property
    def missing(self) -> int:
        """How many events were unreadable, once all of it is settled."""
        return self.last - self._found_settled - self._handed_out

    def forget_missing(self) -> None:
        """Note that these were counted."""
        self._found_settled += self.missing

    @property
    def is_there(self) -> bool:
        """Whether its directory still exists."""
        return self.path.exists()

    def append(self, records: Sequence[Record], wall: float, written: Callable[[], object] | None = None) -> None:
        """Write all of these events, or none.

        :param written: called after the write, before the events can be read.
        :raises OSError: the disk refuses.
        """
        with self._guard:
            first = self.last + 1
            size = self._write(b"".join(self._chunks(records, first, wall)))
            if written is not None:
                written()
            was_read = self._read == self.last
            self.last += len(records)
            self._segments[self._current] = self.last
            if was_read and self._ready_bytes + size <= READY_BYTES:
                self._keep(records, first, wall)
                self._start_reading(self._current, self._sizes[self._current])

    def _keep(self, records: Sequence[Record], first: int, wall: float) -> None:
        """Keep events in memory until they are read."""
        self._read = first + len(records) - 1
        self._ready.extend(
            [(number, account, -place, data) for place, (account, number, data) in enumerate(records, first)]
        )
        self._ready_bytes += sum([len(record[2]) for record in records])
        self.written_at.update(dict.fromkeys(range(first, self._read + 1), wall))

    def _chunks(self, records: Sequence[Record], first: int, wall: float) -> Iterator[bytes]:
        for start in range(0, len(records), CHUNK_EVENTS):
            part = records[start : start + CHUNK_EVENTS]
            payload = format.events(part)
            yield format.chunk(self._seed, format.EVENTS, first + start, len(part), wall=wall, payload=payload)

    def post(self, first: int, last: int, key: str, wall: float, *, bare: bool) -> None:
        """Note that these events are about to be posted as one batch.

        :raises OSError: the disk refuses.
        """
        with self._guard:
            self._write(format.posted(self._seed, first, last - first + 1, wall, key, bare=bare))

    def settle(self, places: Sequence[int], wall: float) -> None:
        """Note that these events are settled. If the disk refuses, they are noted with the next ones."""
        with self._guard:
            before = self.settled
            for place in places:
                self.written_at.pop(place, None)
            self.settled = next(iter(self.written_at), self._read + 1) - 1  # what was unreadable is settled with it
            if self.settled != before:
                with contextlib.suppress(OSError):
                    self._write(format.settled(self._seed, self.settled, self.last, wall))
                    if self.is_settled and self._sizes[self._current] > self._segment_bytes // 4:
                        self._rotate()
                self._remove_settled()

    def sync(self) -> None:
        """Sync all written bytes to the disk. Others may write during the sync.

        :raises OSError: the disk refuses.
        """
        with self._guard:
            if not self._is_dirty or self._writing < 0:
                return
            descriptor, is_new = os.dup(self._writing), self._is_new
            self._is_dirty = self._is_new = False
        try:
            os.fsync(descriptor)
            if is_new:
                self._sync_names()
                sync_directory(self.path.parent)
        except OSError:
            self._is_dirty, self._is_new = True, self._is_new or is_new
            raise
        finally:
            os.close(descriptor)

    def _sync_names(self) -> None:
        self._was_removed = False
        sync_directory(self.path)

    def _write(self, data: bytes) -> int:
        if not self._current or self._sizes[self._current] >= self._segment_bytes:
            self._rotate()
        self._write_whole(data)
        return len(data)

    def _write_whole(self, data: bytes) -> None:
        size = self._sizes[self._current]
        self._is_dirty = True
        try:
            if os.write(self._writing, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._writing, size)
            raise
        self._sizes[self._current] = size + len(data)

    def _rotate(self) -> None:
        """Begin a new segment. It starts with the log's state, since earlier segments may be gone when it is read."""
        number = self._current + 1
        writing = self._open(number, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        try:
            head = format.settled(self._seed, self.settled, self.last, 0.0)
            if os.write(writing, head) != len(head):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._writing >= 0:  # earlier segments may be removed from now on
                if self._is_dirty and not self.is_settled:
                    os.fsync(self._writing)
                os.fsync(writing)
                self._sync_names()
        except OSError:
            os.close(writing)
            with contextlib.suppress(OSError):
                segment(self.path, number).unlink()
            raise
        if self._writing >= 0:
            os.close(self._writing)
        self._writing, self._current, self._is_dirty, self._is_new = writing, number, True, True
        self._sizes[number], self._segments[number] = len(head), self.last
        if self._reading_from == 0:
            self._start_reading(number)

    def _remove_settled(self) -> None:
        """Remove settled segments, oldest first, except the one being written."""
        for number, last in sorted(self._segments.items()):
            if number == self._current or last > self.settled:
                break
            with contextlib.suppress(OSError):
                segment(self.path, number).unlink()
                self._was_removed = True
            del self._segments[number], self._sizes[number]

    # -- reading

    @property
    def unread(self) -> int:
        """How many events are still unread, roughly."""
        return self.last - self._read + len(self._ready)

    def read(self, max_events: int, max_bytes: int, up_to: int | None = None) -> list[Logged]:
        """Read the next events: at most so many, of at most so many bytes (but at least one if there is one).

        :param up_to: read events up to this number only.
        """
        taken: list[Logged] = []
        with self._guard:
            while len(taken) < max_events and (max_bytes > 0 or not taken) and (self._ready or self._load()):
                if up_to is not None and -self._ready[0][2] > up_to:
                    break
                logged = self._ready.popleft()
                size = len(logged[3])
                max_bytes -= size
                self._ready_bytes -= size
                taken.append(logged)
            self._handed_out += len(taken)
        return taken

    def peek(self) -> int | None:
        """The number of the next event, or None."""
        with self._guard:
            return -self._ready[0][2] if self._ready or self._load() else None

    def posted_at(self, place: int | None) -> Posted | None:
        """The batch that an earlier process posted last with the event of that number."""
        if place is None:
            return None
        batches = [batch for batch in self.posted.values() if batch.first <= place <= batch.last]
        return max(batches, default=None)

    def _load(self) -> bool:
        """Read the next events from the disk. Returns False at the end."""
        while not self._ready and self._read < self.last:
            if not self._load_block():
                later = [number for number in self._segments if number > self._reading_from]
                if later:
                    self._start_reading(min(later))
                else:
                    self._read = self.last  # the rest is damaged
        return bool(self._ready)

    def _load_block(self) -> bool:
        """Read the next chunks of the segment. Returns False at its end."""
        left = self._sizes.get(self._reading_from, 0) - self._offset
        data = self._bytes(min(left, BLOCK_BYTES))
        found = format.read_at(data, 0, self._seed)
        if found is None:  # it may be larger than a block
            data = self._bytes(min(left, format.size_of(data)))
            found = format.read_at(data, 0, self._seed)
        if found is None:  # it is damaged
            data = self._bytes(left)
            found = format.read_from(data, 0, self._seed)
        end = 0
        while found is not None:
            end = found.end
            known = max(0, self._read + 1 - found.first)
            if found.kind == format.EVENTS and known < found.size:
                self._keep([*format.records(found.payload)][known:], found.first + known, found.wall)
            found = format.read_at(data, end, self._seed) if end < BLOCK_BYTES else None
        self._offset += end
        return end > 0

    def _bytes(self, size: int) -> bytes:
        """So many bytes from the reader's place on. Fewer, or none, if the disk refuses."""
        with contextlib.suppress(OSError):
            if self._reading >= 0 and size > 0:
                return os.pread(self._reading, size, self._offset)
        return b""

    def _start_reading(self, number: int, offset: int = 0) -> None:
        """Move the reader to a place."""
        self._offset = offset
        if number == self._reading_from:
            return
        if self._reading >= 0:
            os.close(self._reading)
        self._reading, self._reading_from = -1, number
        with contextlib.suppress(OSError):
            self._reading = self._open(number, os.O_RDONLY)

    # -- the end

    def release(self) -> None:
        """Release it for others to take over."""
        with self._guard:
            self.close()

    def close(self) -> None:
        """Close its files. In a forked child, this leaves the parent's lock alone."""
        for descriptor in (self._writing, self._reading, self._lock_descriptor):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._writing = self._reading = self._lock_descriptor = -1

    def remove(self) -> None:
        """Remove it, since all of it is settled. The last segment says so. It goes last, even if the power fails."""
        with contextlib.suppress(OSError):
            *earlier, last = sorted(numbers(self.path)) or [0]
            for number in earlier:
                segment(self.path, number).unlink()
            if earlier or self._was_removed:
                self._sync_names()
            segment(self.path, last).unlink(missing_ok=True)
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()
        self.release()


def sync_directory(path: Path) -> None:
    """Sync the names in a directory to the disk.

    :raises OSError: the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
