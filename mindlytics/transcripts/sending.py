"""Sends conversations over several connections, each in its own requests, with keys made from its content.

A service that honours the ``Idempotency-Key`` stores each conversation once, however often it is sent.
"""

from __future__ import annotations

import queue
import threading
import time
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

CHUNK = 200
"""Most events of a request. It is independent of their size, so that a key always stands for the same events."""
WAITING = 8
"""Most conversations that wait for a connection."""
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

    @property
    def is_stored(self) -> bool:
        """Whether all of it is settled."""
        return self.dropped == 0


class Sender:
    """Connections that send parcels. Those of one session are sent in order."""

    def __init__(self, settings: Settings, connections: int, stop: threading.Event) -> None:
        self._settings = settings
        self._wire = MindlyticsWire(settings.server_endpoint, settings.api_key, settings.project_id)
        self._stop = stop
        self._queues: list[queue.Queue[Parcel | None]] = [queue.Queue(WAITING) for _ in range(connections)]
        self._threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in self._queues]
        self.settled: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
        """Parcels that were sent or dropped."""
        for thread in self._threads:
            thread.start()

    def send(self, parcel: Parcel) -> None:
        """Send a parcel as soon as a connection is free. Waits if too many wait already."""
        chosen = self._queues[crc32(parcel.session_id.encode("utf-8", "replace")) % len(self._queues)]
        while not self._stop.is_set():
            try:
                chosen.put(parcel, timeout=0.2)
                return
            except queue.Full:
                continue
        parcel.dropped = len(parcel.pieces)
        self.settled.put(parcel)

    def close(self) -> None:
        """Wait until all is sent, or :attr:`stop` was set and the running requests have ended."""
        for each in self._queues:
            each.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, waiting: queue.Queue[Parcel | None]) -> None:
        transport = BlockingTransport(self._settings)
        try:
            while (parcel := waiting.get()) is not None:
                for number, first in enumerate(range(0, len(parcel.pieces), CHUNK)):
                    chunk = parcel.pieces[first : first + CHUNK]
                    if self._stop.is_set() or parcel.gave_up:
                        parcel.dropped += len(chunk)
                    else:
                        self._deliver(transport, parcel, chunk, f"{parcel.key.hex()}-{number}")
                self.settled.put(parcel)
        finally:
            transport.close()

    def _deliver(self, transport: BlockingTransport, parcel: Parcel, pieces: list[bytes], key: str) -> None:
        verdict = self._post(transport, pieces, key)
        if verdict.fate is Fate.DELIVERED:
            parcel.delivered += len(pieces)
        elif verdict.fate in (Fate.HALVE, Fate.SHRINK) and len(pieces) > 1:
            middle = len(pieces) // 2
            self._deliver(transport, parcel, pieces[:middle], f"{key}.0")
            self._deliver(transport, parcel, pieces[middle:], f"{key}.1")
        elif verdict.fate in (Fate.RETRY, Fate.TIME_UP):
            parcel.dropped += len(pieces)
            parcel.gave_up = verdict.fate is Fate.RETRY
            parcel.message = verdict.message
        else:
            parcel.refused += len(pieces)
            status = f" (status {verdict.status})" if verdict.status else ""
            events = "1 event" if len(pieces) == 1 else f"{len(pieces)} events"
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


def _is_reused(body: bytes) -> bool:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(reply, dict) and reply.get("error") == REUSED
