"""When a batch leaves and how large it is: by count, by bytes, by time, in order.

The batcher holds encoded events that wait to be batched, and in front of them returned batches (halves, or one whose
attempt was interrupted). Events are opaque to it. ``reply.py`` reads replies.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Collection

from attrs import Factory, define

from .account import Entry


def new_key() -> str:
    """A fresh ``Idempotency-Key``."""
    return uuid.uuid4().hex


@define(eq=False, repr=False)
class Batch:
    """Some events, and the ``Idempotency-Key`` of all attempts to send them.

    :param bare: one event, to be posted as a bare object rather than in an array.
    :param tried: the time of its first attempt, on the monotonic clock.
    :param frozen: seconds since then for which the process was suspended.
    :param attempts: how often it was posted.
    :param is_suspect: one of its events may make the service fail.
    """

    entries: list[Entry]
    bare: bool = False
    tried: float | None = None
    frozen: float = 0.0
    attempts: int = 0
    is_suspect: bool = False
    key: str = Factory(new_key)

    @property
    def pieces(self) -> list[bytes]:
        """The encoded events."""
        return [entry[3] for entry in self.entries]  # type: ignore[misc]  # all are encoded by now

    def halves(self, *, by_bytes: bool = False) -> tuple[Batch, Batch]:
        """Two batches of about half the events, or half the bytes, in order. Each has its own key."""
        middle = len(self.entries) // 2
        if by_bytes:
            pieces = self.pieces
            half = sum(map(len, pieces)) / 2
            weight = 0
            for index, piece in enumerate(pieces):
                weight += len(piece)
                if weight >= half:
                    middle = min(max(index, 1), len(pieces) - 1)
                    break
        return Batch(self.entries[:middle]), Batch(self.entries[middle:])


class Batcher:
    """Forms batches within exact limits.

    :param max_events: events in a batch at most.
    :param max_bytes: bytes of a body at most.
    :param linger: seconds that an event may wait to be batched.
    :param piece_overhead: bytes that the wire adds around each event of a body.
    :param body_overhead: bytes that the wire adds around a body.
    """

    def __init__(
        self, *, max_events: int, max_bytes: int, linger: float, piece_overhead: int, body_overhead: int
    ) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes - body_overhead
        self._linger = linger
        self._overhead = piece_overhead
        self._returned: deque[Batch] = deque()
        self._waiting: deque[Entry] = deque()
        self._added = 0
        self._marks: deque[tuple[int, float]] = deque()
        """Since when events wait: pairs of the number of events added before, and a time."""
        self._bytes = 0

    def fits(self, size: int) -> bool:
        """Whether an event of so many bytes fits into a body."""
        return size + self._overhead <= self._max_bytes

    def add(self, entries: Collection[Entry], since: float) -> bool:
        """Add events that wait to be batched since that time. Returns False and adds none if one exceeds a body.

        :raises TypeError: one is unencoded. None was added.
        """
        sizes = [len(entry[3]) for entry in entries]  # type: ignore[arg-type]
        if not self.fits(max(sizes)):
            return False
        if not self._marks or self._marks[-1][1] != since:
            self._marks.append((self._added, since))
        self._waiting.extend(entries)
        self._added += len(sizes)
        self._bytes += sum(sizes) + self._overhead * len(sizes)
        return True

    def put_back(self, *batches: Batch) -> None:
        """Send these batches next, in this order."""
        self._returned.extendleft(reversed(batches))

    @property
    def has_returned(self) -> bool:
        """Whether a returned batch leaves next."""
        return bool(self._returned)

    @property
    def is_empty(self) -> bool:
        """Whether all events are batched."""
        return not self._waiting

    @property
    def is_full(self) -> bool:
        """Whether a whole batch waits, which further events leave as it is."""
        return len(self._waiting) >= self._max_events or self._bytes >= self._max_bytes

    @property
    def room(self) -> int:
        """How many events are missing from a whole batch."""
        return max(0, self._max_events - len(self._waiting))

    @property
    def room_bytes(self) -> int:
        """How many bytes are missing from a whole batch."""
        return max(0, self._max_bytes - self._bytes)

    def due(self, flush_up_to: int = 0) -> float | None:
        """When the next batch leaves if no event is added. None if no event waits.

        :param flush_up_to: events up to this number leave without lingering.
        """
        if self._returned:
            return float("-inf")
        if not self._waiting:
            return None
        if self.is_full or self._waiting[0][0] <= flush_up_to:
            return float("-inf")
        return self._waits_since() + self._linger

    def _waits_since(self) -> float:
        """Since when the oldest event waits."""
        first = self._added - len(self._waiting)
        while len(self._marks) > 1 and self._marks[1][0] <= first:
            self._marks.popleft()
        return self._marks[0][1]

    def take(self, now: float, flush_up_to: int = 0) -> Batch | None:
        """The next batch, if one is due."""
        if self._returned:
            return self._returned.popleft()
        due = self.due(flush_up_to)
        if due is None or due > now:
            return None
        if len(self._waiting) <= self._max_events and self._bytes <= self._max_bytes:
            return Batch(self._clear())
        entries: list[Entry] = []
        room = self._max_bytes
        while self._waiting and len(entries) < self._max_events:
            weight = len(self._waiting[0][3]) + self._overhead  # type: ignore[arg-type]  # it is encoded
            if weight > room:
                break
            room -= weight
            entries.append(self._waiting.popleft())
        self._bytes -= self._max_bytes - room
        return Batch(entries)

    def clear(self) -> list[Entry]:
        """Take out everything that waits, to drop it."""
        entries = [entry for batch in self._returned for entry in batch.entries]
        self._returned.clear()
        return entries + self._clear()

    def _clear(self) -> list[Entry]:
        entries = list(self._waiting)
        self._waiting.clear()
        self._marks.clear()
        self._bytes = 0
        return entries
