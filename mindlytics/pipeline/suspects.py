"""Whether the service fails at one batch only, so that the batch is at fault. A spool asks, since it waits for days."""

from __future__ import annotations

from typing import Protocol

from ..delivery.batcher import Batch
from ..delivery.verdict import Fate, Verdict
from .attempts import Attempts
from .waiting import clock

FAULT_STATUSES = frozenset(range(500, 600)) - {503}
"""Statuses that are retried, and may yet be an event's fault. 503 is about the service."""
PROBES = 5
"""Most batches that are sent to find out whether the service fails only at another one."""


class Supply(Protocol):
    """Where batches come from: this process's log, or those of earlier ones."""

    def following(self, now: float) -> Batch | None: ...

    def begin(self, batch: Batch) -> None: ...

    def settle(self, batch: Batch, verdict: Verdict, now: float, where: str) -> None: ...

    def put_back(self, batch: Batch) -> None: ...


def takes_another(attempts: Attempts, batch: Batch, supply: Supply) -> bool:
    """Whether the service accepts other batches: it did since this one first failed, or takes one of the next now."""
    failed: list[Batch] = []
    is_taken = attempts.taken_at > (batch.tried or 0.0)
    try:
        while not is_taken and len(failed) < PROBES and (following := supply.following(clock())) is not None:
            failed.append(following)
            if not following.attempts:
                supply.begin(following)
            verdict = attempts.post(following)
            is_taken = verdict.fate is Fate.DELIVERED
            if is_taken:
                supply.settle(failed.pop(), verdict, clock(), attempts.origin)
            elif verdict.status not in FAULT_STATUSES:
                break
    finally:
        for following in reversed(failed):
            following.tried = following.tried if following.is_suspect else None
            supply.put_back(following)
    return is_taken
