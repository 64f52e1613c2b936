"""Sends conversations over several connections, in requests with keys made from their content.

A service that honours the ``Idempotency-Key`` stores each request once, however often it is sent. So a conversation has
requests of its own, unless a checkpoint knows which request it is in.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from zlib import crc32

import orjson
from attrs import define
from tenacity import Retrying

from ..delivery.retry import policy
from ..delivery.verdict import Fate, Verdict
from ..settings import Settings
from ..transport import NoReply
from ..transport.blocking import BlockingTransport
from ..wire import MindlyticsWire

MOST_EVENTS = 500
"""Most events of a request. It is independent of their size, so that a key always stands for the same events."""
MOST_BYTES = 512 * 1024
"""A request takes no further conversation beyond so many bytes."""
LINGER = 0.5
"""Seconds that a connection without work waits before it takes a batch that is not full."""
WAITING = 8
"""Most batches that wait for a connection."""
REUSED = "reused key"
"""The local server's status for a known key with another body: the conversation was stored before, with other times."""


@define(eq=False)
class Parcel:
    """A conversation being sent, and the outcomes of its events."""

    where: str
    session_id: str
    key: bytes
    pieces: list[bytes]
    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    message: str = ""
    """The service's messages about refused events."""
    gave_up: bool = False
    is_doubled: bool = False
    """Another process has sent it."""


@define(eq=False)
class Batch:
    """The conversations of one request, or one conversation of several."""

    parcels: list[Parcel]
    events: int = 0
    size: int = 0

    def takes(self, parcel: Parcel) -> bool:
        """Add a conversation, if there is room."""
        events = self.events + len(parcel.pieces)
        if self.parcels and (events > MOST_EVENTS or self.size >= MOST_BYTES):
            return False
        self.parcels.append(parcel)
        self.events = events
        self.size += sum(map(len, parcel.pieces))
        return True

    @property
    def key(self) -> bytes:
        """A key made of the content of exactly these conversations."""
        if len(self.parcels) == 1:
            return self.parcels[0].key
        return blake2b(b"".join(each.key for each in self.parcels), digest_size=16).digest()

    @property
    def is_stored(self) -> bool:
        """Whether all of it is settled."""
        return not any(each.dropped for each in self.parcels)


Claim = Callable[[Sequence[bytes], bytes], set[bytes]]
"""Called before a request is sent, with the keys of its conversations and its own. Returns which to leave out."""
Owned = list[tuple[Parcel, bytes]]
"""Events, each with its conversation."""


class _Lane:
    """What waits for one connection: full batches, and the one that is being filled."""

    def __init__(self) -> None:
        self._full: queue.Queue[Batch | None] = queue.Queue(WAITING)
        self._filling = Batch([])
        self._lock = threading.Lock()

    def add(self, parcel: Parcel, stop: threading.Event) -> Batch | None:
        """Let a conversation linger to be batched. Return a batch that has to leave now, since the import stops."""
        with self._lock:  # also while a full batch is put, or the connection could take the next one before it
            if self._filling.takes(parcel):
                return None
            full, self._filling = self._filling, Batch([])
            self._filling.takes(parcel)
            return self.put(full, stop)

    def rest(self) -> Batch | None:
        """Take the batch that is being filled, if there is anything in it."""
        with self._lock:
            rest, self._filling = self._filling, Batch([])
        return rest if rest.parcels else None

    def put(self, batch: Batch, stop: threading.Event) -> Batch | None:
        """Let a batch wait for the connection, as soon as there is room. Return it if all is to stop."""
        while not stop.is_set():
            try:
                self._full.put(batch, timeout=0.2)
                return None
            except queue.Full:
                continue
        return batch

    def end(self) -> None:
        """Nothing follows."""
        self._full.put(None)

    def get(self) -> Batch | None:
        """Wait for the next batch. A batch that is not full follows when no other has come for a while."""
        while True:
            try:
                return self._full.get(timeout=LINGER)
            except queue.Empty:
                if (rest := self.rest()) is not None:
                    return rest


class Sender:
    """Connections that send conversations. Those of one session are sent in order.

    :param claim: lets conversations share requests. None: each has requests of its own.
    """

    def __init__(self, settings: Settings, connections: int, stop: threading.Event, claim: Claim | None = None) -> None:
        self._settings = settings
        self._wire = MindlyticsWire(settings.server_endpoint, settings.api_key, settings.project_id)
        self._stop = stop
        self._claim = claim
        self._lanes = [_Lane() for _ in range(connections)]
        self._threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in self._lanes]
        self.settled: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        """Batches that were sent or dropped."""
        for thread in self._threads:
            thread.start()

    def send(self, parcel: Parcel) -> None:
        """Send a conversation as soon as a connection is free. Waits if too much waits already."""
        lane = self._lane(parcel)
        if self._claim is None:
            self._drop(lane.put(Batch([parcel]), self._stop))
        else:
            self._drop(lane.add(parcel, self._stop))

    def send_again(self, parcels: list[Parcel]) -> None:
        """Send conversations that have been a request before. They have to be the same one again."""
        lane = self._lane(parcels[0])
        self._put(lane, lane.rest())
        self._put(lane, Batch(parcels))

    def _lane(self, parcel: Parcel) -> _Lane:
        return self._lanes[crc32(parcel.session_id.encode("utf-8", "replace")) % len(self._lanes)]

    def _put(self, lane: _Lane, batch: Batch | None) -> None:
        if batch is not None:
            self._drop(lane.put(batch, self._stop))

    def close(self) -> None:
        """Wait until all is sent, or :attr:`stop` was set and the running requests have ended."""
        for lane in self._lanes:
            self._put(lane, lane.rest())
            lane.end()
        for thread in self._threads:
            thread.join()

    def _drop(self, batch: Batch | None) -> None:
        if batch is not None:
            for parcel in batch.parcels:
                parcel.dropped = len(parcel.pieces)
            self.settled.put(batch)

    def _work(self, lane: _Lane) -> None:
        transport = BlockingTransport(self._settings)
        try:
            while (batch := lane.get()) is not None:
                if self._stop.is_set():
                    self._drop(batch)
                else:
                    self._send(transport, batch)
        finally:
            transport.close()

    def _send(self, transport: BlockingTransport, batch: Batch) -> None:
        if self._claim is not None:
            while taken := self._claim([each.key for each in batch.parcels], batch.key):
                for parcel in batch.parcels:
                    parcel.is_doubled = parcel.is_doubled or parcel.key in taken
                doubled = [each for each in batch.parcels if each.is_doubled]
                self.settled.put(Batch(doubled))
                batch.parcels = [each for each in batch.parcels if not each.is_doubled]
                if not batch.parcels:
                    return
        pieces = [(parcel, piece) for parcel in batch.parcels for piece in parcel.pieces]
        for number, first in enumerate(range(0, len(pieces), MOST_EVENTS)):
            some = pieces[first : first + MOST_EVENTS]
            if self._stop.is_set() or batch.parcels[0].gave_up:
                _count(some, "dropped")
            else:
                self._deliver(transport, some, f"{batch.key.hex()}-{number}")
        self.settled.put(batch)

    def _deliver(self, transport: BlockingTransport, pieces: Owned, key: str) -> None:
        verdict = self._post(transport, [piece for _, piece in pieces], key)
        if verdict.fate is Fate.DELIVERED:
            _count(pieces, "delivered")
        elif verdict.fate in (Fate.HALVE, Fate.SHRINK) and len(pieces) > 1:
            middle = len(pieces) // 2
            self._deliver(transport, pieces[:middle], f"{key}.0")
            self._deliver(transport, pieces[middle:], f"{key}.1")
        elif verdict.fate in (Fate.RETRY, Fate.TIME_UP):
            for parcel in _count(pieces, "dropped"):
                parcel.gave_up = verdict.fate is Fate.RETRY
                parcel.message = verdict.message
        else:
            status = f" (status {verdict.status})" if verdict.status else ""
            for parcel, refused in _count(pieces, "refused").items():
                events = "1 event" if refused == 1 else f"{refused} events"
                parcel.message = f"{events} not delivered, refused{status}: {verdict.message}"

    def _post(self, transport: BlockingTransport, pieces: list[bytes], key: str) -> Verdict:
        body = self._wire.body(pieces, bare=False, key=key)
        headers = self._wire.headers(key)
        started = time.monotonic()

        def attempt() -> Verdict:
            reply = transport.request("POST", self._wire.url, body, headers, self._settings.request_timeout)
            if isinstance(reply, NoReply):
                return Verdict(Fate.RETRY, 0, f"no reply: {reply.cause}", stale=reply.stale)
            if reply.status == 422 and _is_reused(reply.body):
                return Verdict(Fate.DELIVERED, reply.status)
            return self._wire.judge(reply.status, reply.headers, reply.body, wall=time.time())

        verdict = attempt()
        if verdict.fate is not Fate.RETRY:
            return verdict
        rules = policy(
            self._settings,
            sleep=self._stop.wait,
            clock=time.monotonic,
            spent=lambda: time.monotonic() - started,
            deadline=self._deadline,
        )
        found: Verdict = Retrying(**rules)(attempt)
        return found

    def _deadline(self) -> float:
        return 0.0 if self._stop.is_set() else float("inf")


def _count(pieces: Owned, outcome: str) -> Counter[Parcel]:
    """Count the outcome of events at their conversations, and return how many each has of them."""
    found = Counter(parcel for parcel, _ in pieces)
    for parcel, events in found.items():
        setattr(parcel, outcome, getattr(parcel, outcome) + events)
    return found


def _is_reused(body: bytes) -> bool:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(reply, dict) and reply.get("error") == REUSED
