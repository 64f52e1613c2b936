"""A pipeline without threads, sockets or time: queue, ledger and outbox, driven by hand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mindlytics.delivery.batcher import Batch
from mindlytics.delivery.ledger import Ledger, Record
from mindlytics.delivery.outbox import Outbox
from mindlytics.delivery.verdict import Fate, Verdict
from mindlytics.events import CustomEvent, Event
from mindlytics.settings import Settings


class PlainWire:
    """Events as their names; replies are judged before they come."""

    url = "mem://"
    piece_overhead = 1
    body_overhead = 1

    def __init__(self) -> None:
        self.bare_only = False
        self.array_taken = False

    def encode(self, event: Event) -> bytes:
        assert event.event is not None
        return event.event.encode()

    def body(self, pieces: Sequence[bytes], *, bare: bool, key: str) -> bytes:
        return pieces[0] if bare else b"[" + b",".join(pieces) + b"]"

    def headers(self, key: str) -> dict[str, str]:
        return {"Idempotency-Key": key}

    def judge(self, status: int, headers: Mapping[str, str], body: bytes, *, wall: float) -> Verdict:
        raise NotImplementedError

    def allows_bare(self) -> bool:
        return not self.array_taken

    def took(self, *, bare: bool) -> None:
        self.bare_only = self.bare_only or bare
        self.array_taken = self.array_taken or not bare

    def takes_bare_only(self) -> bool:
        return self.bare_only


class Clockwork:
    """Queue, ledger and outbox under a clock that only the test moves."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings.load({"api_key": "k", "project_id": "p", **settings})
        self.now = 1000.0
        self.queue: deque[Record] = deque()
        self.lock = threading.Lock()
        self.ledger = Ledger(self.lock)
        self.account = self.ledger.open_account()
        self.wire = PlainWire()
        self.outbox = Outbox(self.settings, self.wire, self.ledger, self._draw)
        self.hurry = 0
        self.delivered: list[str] = []
        self.keys: list[str] = []

    def _draw(self, count: int, size: int) -> list[Record]:
        drawn: list[Record] = []
        while self.queue and len(drawn) < count and (size > 0 or not drawn):
            drawn.append(self.queue.popleft())
            size -= drawn[-1].size
        return drawn

    def add(self, *names: str) -> None:
        for name in names:
            record = Record(CustomEvent(session_id="s", event=name), self.account, len(name))
            with self.lock:
                self.ledger.accept(record)
            self.queue.append(record)

    def next(self) -> Batch | None:
        return self.outbox.next(self.now, self.hurry)

    def names(self, batch: Batch | None) -> list[str]:
        return [] if batch is None else [record.data.decode() for record in batch.records]

    def settle(self, batch: Batch, verdict: Verdict) -> None:
        self.keys.append(batch.key)
        if verdict.fate is Fate.DELIVERED:
            self.delivered.extend(self.names(batch))
        self.outbox.settle(batch, verdict, self.now)

    def run(self, judge: Callable[[Batch], Verdict]) -> None:
        """Send all that waits."""
        self.hurry = self.ledger.total.accepted
        while (batch := self.next()) is not None:
            self.settle(batch, judge(batch))


OK = Verdict(Fate.DELIVERED, 200)
