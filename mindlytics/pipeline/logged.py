"""A batch whose events are in a log of the spool, of this process or an earlier one: its places there, and its age."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from ..delivery.account import Entry
from ..delivery.batcher import Batch
from ..spool.run import Log

CLOCKS_ARE_SET = 1_735_689_600.0
"""The start of 2025, in seconds since the epoch. A device that does not know the time yet records earlier ones."""


def places_of(entries: Iterable[Entry]) -> list[int]:
    """The numbers in the log of those entries that are there."""
    return [-size for _, _, size, _ in entries if size < 0]


def note_posted(log: Log, batch: Batch, *, is_synced: bool) -> None:
    """Note in a log that a batch is about to be posted, if all of it is from that log. Sync if asked to."""
    places = places_of(batch.entries)
    with contextlib.suppress(OSError):
        if len(places) == len(batch.entries):
            log.post(places[0], places[-1], batch.key, time.time(), bare=batch.bare)
        if is_synced:
            log.sync()


def parted(log: Log, entries: list[Entry], max_age: float) -> tuple[list[Entry], list[Entry]]:
    """The entries to send, and those that are too old. If the clock was not yet set when one was written, it counts as
    new.
    """
    since, written_at = time.time() - max_age, log.written_at
    old = [entry for entry in entries if CLOCKS_ARE_SET <= written_at.get(-entry[2], since) < since]
    if not old:
        return entries, old
    gone = set(old)
    return [entry for entry in entries if entry not in gone], old


def has_expired(log: Log, batch: Batch, max_age: float) -> bool:
    """Whether all of a batch is too old. A batch stays whole, since the service may know it by its key."""
    return bool(parted(log, batch.entries[-1:], max_age)[1])
