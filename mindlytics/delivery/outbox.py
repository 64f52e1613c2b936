"""Events between the queue and the service: hands out the next batch, and takes its outcome.

This is all of delivery except waiting and posting, which the sender does:

    batch = outbox.next(now)            # None: wait for outbox.due(), or until woken
    verdict = <post it, with retries>
    outbox.settle(batch, verdict)

Only the pipeline's one sender calls these. Other threads call the ledger and the intake.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..events import AnyEvent
from ..settings import Settings
from .account import Entry, Reason
from .batcher import Batch, Batcher
from .ledger import Ledger
from .privacy import Suppressed, apply_before_send, redaction
from .verdict import Fate, Verdict, Wire

logger: logging.Logger = logging.getLogger("mindlytics")

NEVER = 2**62
NOT_PAUSED = float("-inf")
Pop = Callable[[int, int], list[Entry]]


class Outbox:
    """The owner of events between the queue and the service.

    :param pop_many: takes events out of the queue: at most so many, of at most so many bytes (but at least one).
    """

    def __init__(self, settings: Settings, wire: Wire, ledger: Ledger, pop_many: Pop) -> None:
        self.wire = wire
        self._ledger = ledger
        self._pop_many = pop_many
        self._batcher = Batcher(
            max_events=min(settings.max_batch_events, settings.max_queue_events),
            max_bytes=settings.max_batch_bytes,
            linger=settings.flush_interval,
            piece_overhead=wire.piece_overhead,
            body_overhead=wire.body_overhead,
        )
        self._max_wait = settings.max_retry_wait
        self._before_send = settings.before_send
        self._with_texts = settings.content_mode == "full"
        self._redact = redaction(settings)
        self._holds_back = self._before_send is not None or not self._with_texts or self._redact is not None
        self._popped: deque[Entry] = deque()
        self._looked: float | None = None
        self._failing = False
        self.paused_until: float = NOT_PAUSED
        """The service asked to wait until then."""

    def next(self, now: float, flush_up_to: int = 0) -> Batch | None:
        """The next batch, if one is due. Events up to the number ``flush_up_to`` leave without lingering."""
        if now < self.paused_until:
            return None
        self.paused_until = NOT_PAUSED
        if not self._batcher.has_returned:
            self._fill(now)
        batch = self._batcher.take(now, flush_up_to)
        if batch is None:
            return None
        if self.wire.takes_bare_only() and not batch.bare:
            self._batcher.put_back(*(Batch([entry], bare=True) for entry in batch.entries))
            batch = self._batcher.take(now, flush_up_to)
            assert batch is not None
        if batch.tried is None:
            batch.tried = now
        return batch

    def due(self, flush_up_to: int = 0) -> float | None:
        """When the next batch leaves if nothing more is accepted. None if nothing waits."""
        if self.paused_until > NOT_PAUSED:
            return self.paused_until
        return self._batcher.due(flush_up_to)

    def wanted(self, now: float) -> int:
        """How many queued events should wake the sender before the next batch is due: a whole batch, or the first
        one.
        """
        if now < self.paused_until:
            return NEVER
        return 1 if self._looked is None else self._batcher.room

    def settle(self, batch: Batch, verdict: Verdict, now: float, where: str = "") -> bool:
        """Act on the final verdict on a batch.

        :param where: the service's address, for messages about losses.
        :returns: whether its events are settled. If not, they wait in other batches.
        """
        self.log_recovery(verdict)
        fate = verdict.fate
        alone = len(batch.entries) == 1
        if verdict.wait is not None:
            self.paused_until = now + min(verdict.wait, self._max_wait)
        if fate is Fate.DELIVERED:
            self.wire.took(bare=batch.bare)
            self._ledger.delivered(batch.entries)
        elif fate is Fate.RETRY:
            words = f"{where}: {verdict.message}, for longer than retry_for allows"
            self._ledger.dropped(batch.entries, Reason.GAVE_UP, verdict.status, words)
        elif fate in (Fate.HALVE, Fate.SHRINK) and not alone:
            self._batcher.put_back(*batch.halves(by_bytes=fate is Fate.SHRINK))
            return False
        elif fate is Fate.HALVE and not batch.bare and self.wire.allows_bare():
            self._batcher.put_back(Batch(batch.entries, bare=True))
            return False
        else:
            self._ledger.refused(batch.entries, verdict.status, verdict.message)
        return True

    def set_apart(self, batch: Batch, verdict: Verdict, where: str) -> bool:
        """The service fails at this batch and takes others. Halve it, or drop its only event.

        :returns: whether it was dropped.
        """
        if len(batch.entries) == 1:
            words = f"{where}: {verdict.message}, for longer than retry_for allows"
            self._ledger.dropped(batch.entries, Reason.GAVE_UP, verdict.status, words)
            return True
        for half in reversed(batch.halves()):
            if len(half.entries) > 1:  # what the service has taken since then shows the same of it
                half.is_suspect, half.tried = True, batch.tried
            self._batcher.put_back(half)
        return False

    @property
    def is_empty(self) -> bool:
        """Whether all events that it took are settled."""
        return self._batcher.is_empty and not self._batcher.has_returned and not self._popped

    def put_back(self, batch: Batch) -> None:
        """Send a batch again first, under the same key, since its attempt was interrupted."""
        self._batcher.put_back(batch)

    def abandon(self, batch: Batch | None = None, reason: Reason = Reason.SHUTDOWN, message: str = "") -> None:
        """Drop everything, including that batch, since the time is up."""
        entries = list(batch.entries) if batch else []
        entries += self._batcher.clear()
        entries += self._popped
        self._popped.clear()
        while popped := self._pop_many(NEVER, NEVER):
            entries += popped
        self._ledger.dropped(entries, reason, message=message)

    def _fill(self, now: float) -> None:
        """Take events from the queue until a batch is whole or the queue is empty."""
        since = now if self._looked is None else self._looked
        batcher = self._batcher
        while not batcher.is_full:
            if not self._popped:
                self._popped.extend(self._pop_many(batcher.room, batcher.room_bytes))
            if not self._popped:
                break
            self._add_popped(since)
        self._looked = None if batcher.is_empty else now

    def _add_popped(self, since: float) -> None:
        """Add events to the batcher. Each leaves ``_popped`` only after its hooks, so that an interrupt in
        one loses none.
        """
        popped, add = self._popped, self._batcher.add
        with suppress(TypeError):  # one is unencoded, so add them one by one
            if add(popped, since):
                popped.clear()
        while popped:
            entry = popped[0]
            data = self.ready(entry)
            if data is not None:
                add([(*entry[:3], data)], since)
            popped.popleft()

    def are_ready(self, entries: Sequence[Entry]) -> bool:
        """Whether all of these events, of which there is at least one, are encoded and fit into a batch."""
        try:
            return self._batcher.fits(max([len(entry[3]) for entry in entries]))  # type: ignore[arg-type]
        except TypeError:  # one is unencoded
            return False

    def ready(self, entry: Entry) -> bytes | None:
        """An event's bytes, or None if it was dropped: by ``before_send``, or because it exceeds a batch."""
        payload = entry[3]
        data = payload if isinstance(payload, bytes) else self._encoded(entry, payload)
        if data is None or self._batcher.fits(len(data)):
            return data
        words = f"the event has {len(data)} bytes, more than max_batch_bytes allows"
        self._ledger.dropped([entry], Reason.TOO_LARGE, message=words)
        return None

    def _encoded(self, entry: Entry, event: AnyEvent) -> bytes | None:
        """The bytes of an event that the call left unencoded, or None if it was dropped."""
        try:
            return self.wire.encode(self._allowed(event) if self._holds_back else event)
        except Suppressed as suppressed:
            reason = Reason.BEFORE_SEND if suppressed.wanted else Reason.BEFORE_SEND_FAILED
            self._ledger.dropped([entry], reason, message=str(suppressed))
        except Exception as error:  # a bad event must not stop the others
            self._ledger.dropped([entry], Reason.UNENCODABLE, message=f"encoding failed ({type(error).__name__})")
        return None

    def encoded_at_once(self, event: AnyEvent) -> bytes | None:
        """The same for a call; None where the program's ``before_send`` has to see it, or it cannot be encoded so."""
        if self._before_send is not None or type(event).translated is not AnyEvent.translated:
            return None
        with suppress(Exception):  # the sender reports it
            return self.wire.encode(self._allowed(event) if self._holds_back else event)
        return None

    def _allowed(self, event: AnyEvent) -> AnyEvent:
        return apply_before_send(
            event.translated(), self._before_send, with_texts=self._with_texts, redact=self._redact
        )

    def log_recovery(self, verdict: Verdict) -> None:
        """Log one line if this answer ends an outage."""
        if self._failing and verdict.fate is not Fate.RETRY:
            self._failing = False
            logger.info("the service answers again")

    def log_outage(self, cause: str) -> None:
        """Log one line for each outage, at its first failed attempt."""
        if not self._failing:
            self._failing = True
            logger.warning("events cannot be delivered, retrying: %s", cause)
