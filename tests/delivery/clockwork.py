"""A pipeline without threads, sockets or time: queue, ledger and outbox, driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mindlytics.delivery.batcher import Batch
from mindlytics.delivery.outbox import Outbox
from mindlytics.delivery.verdict import Fate, Verdict
from mindlytics.events import CustomEvent, Event
from mindlytics.pipeline.intake import Intake
from mindlytics.settings import Settings


class PlainWire:
    """Encodes events as their names, with verdicts known in advance."""

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
        self.intake = Intake(self.settings.max_queue_events, self.settings.max_queue_bytes, lambda: None)
        self.ledger = self.intake.ledger
        self.account = self.ledger.open_account()
        self.wire = PlainWire()
        self.outbox = Outbox(self.settings, self.wire, self.ledger, self.intake.pop_many)
        self.flush_up_to = 0
        self.delivered: list[str] = []
        self.keys: list[str] = []

    def add(self, *names: str) -> None:
        for name in names:
            assert self.intake.put(CustomEvent(session_id="s", event=name), len(name), self.account)

    def next(self) -> Batch | None:
        return self.outbox.next(self.now, self.flush_up_to)

    def names(self, batch: Batch | None) -> list[str]:
        return [] if batch is None else [piece.decode() for piece in batch.pieces]

    def settle(self, batch: Batch, verdict: Verdict) -> None:
        self.keys.append(batch.key)
        if verdict.fate is Fate.DELIVERED:
            self.delivered.extend(self.names(batch))
        self.outbox.settle(batch, verdict, self.now)

    def run(self, judge: Callable[[Batch], Verdict]) -> None:
        """Send all that waits."""
        self.flush_up_to = self.ledger.total.accepted
        while (batch := self.next()) is not None:
            self.settle(batch, judge(batch))


OK = Verdict(Fate.DELIVERED, 200)
