"""When a batch leaves and how large it is: by count, by bytes, by time, in order.

The batcher holds encoded events that wait to be batched, and in front of them the batches that came back (halves, or
one whose attempt was interrupted). It never looks into an event and knows nothing of replies.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Collection

from attrs import Factory, define

from .ledger import Entry


def new_key() -> str:
    """A fresh ``Idempotency-Key``."""
    return uuid.uuid4().hex


@define(eq=False, repr=False)
class Batch:
    """Some events, and the key under which they are sent until the service has answered for good.

    :param bare: one event, to be posted as a bare object rather than in an array.
    :param tried: the moment of its first attempt.
    :param frozen: seconds since then in which the process stood still.
    :param attempts: how often it was posted.
    :param is_suspect: an event in it may be what the service fails at.
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
        return [entry[3] for entry in self.entries]  # type: ignore[misc]  # none comes here that is not encoded

    def halves(self, *, by_bytes: bool = False) -> tuple[Batch, Batch]:
        """Two batches of about half the events, or half the bytes, in order; each has a key of its own."""
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
        """Since when events wait: for each moment, how many had been added before."""
        self._bytes = 0

    def fits(self, size: int) -> bool:
        """Whether an event of so many bytes fits into a body."""
        return size + self._overhead <= self._max_bytes

    def add(self, entries: Collection[Entry], since: float) -> bool:
        """Let events wait to be batched, since that moment; False, and none added, where one is larger than any body.

        :raises TypeError: one is not encoded; none was added.
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
        """Let these batches leave next, in this order."""
        self._returned.extendleft(reversed(batches))

    @property
    def has_returned(self) -> bool:
        """Whether a batch that came back leaves next."""
        return bool(self._returned)

    @property
    def is_empty(self) -> bool:
        """Whether no event waits to be batched."""
        return not self._waiting

    @property
    def is_full(self) -> bool:
        """Whether a whole batch waits, so that no further event would change it."""
        return len(self._waiting) >= self._max_events or self._bytes >= self._max_bytes

    @property
    def room(self) -> int:
        """How many events a whole batch still lacks."""
        return max(0, self._max_events - len(self._waiting))

    @property
    def room_bytes(self) -> int:
        """How many bytes a whole batch still lacks."""
        return max(0, self._max_bytes - self._bytes)

    def due(self, flush_up_to: int = 0) -> float | None:
        """The moment at which the next batch leaves if nothing more comes; None where nothing waits.

        :param flush_up_to: events up to this number do not linger.
        """
        if self._returned:
            return float("-inf")
        if not self._waiting:
            return None
        if self.is_full or self._waiting[0][0] <= flush_up_to:
            return float("-inf")
        return self._waits_since() + self._linger

    def _waits_since(self) -> float:
        """The moment since when the oldest waits."""
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
        """Everything that waits, to be given up."""
        entries = [entry for batch in self._returned for entry in batch.entries]
        self._returned.clear()
        return entries + self._clear()

    def _clear(self) -> list[Entry]:
        entries = list(self._waiting)
        self._waiting.clear()
        self._marks.clear()
        self._bytes = 0
        return entries
