"""What the two pipelines share: acceptance, refusal at the door, what is told of losses. No waiting, no posting."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from typing import Any
from weakref import WeakSet

from ..delivery.batcher import Batch
from ..delivery.ledger import Account, FlushResult, Reason, Record
from ..delivery.outbox import Outbox
from ..delivery.verdict import Fate, Verdict, Wire
from ..errors import ClientClosed, DeliveryError, InvalidEvent
from ..events import AnyEvent
from ..settings import Settings
from ..transport import NoReply, Reply
from . import lifecycle
from .intake import Intake

logger = logging.getLogger("mindlytics")

clock = time.monotonic
FOREVER = float("inf")
GRACE = 0.3
"""Seconds beyond a deadline in which a sender may say that it has stopped."""

IDLE = 10.0
"""Seconds after which a sender with nothing to do looks whether any client is left."""

RESTART_WAIT = 1.0
"""Seconds before a sender that met an error of our own starts again."""

TICK = 0.001
"""Seconds beyond a deadline after which it has surely passed."""

Outgoing = tuple[str, str, bytes, dict[str, str], float]
"""A request, as transports take it: method, address, body, headers, seconds."""
CUT_SHORT = 0.5
"""Seconds between two attempts that a flush may cut a pause down to."""
LONGEST_WAIT = 1e6
"""Seconds beyond which waiting is waiting for ever."""
TIME_IS_UP = Verdict(Fate.RETRY, 0, "the time was up")
MAX_HOPS = 3
"""Redirects within the same host that a request follows."""
MAX_WARNINGS = 1000


class Pipeline(ABC):
    """Queue, sender, connections and account of all clients of equal settings.

    :param make_wire: makes the service's protocol; called by the sender, so that its imports cost no caller anything.
    """

    _policy: Callable[..., dict[str, Any]]
    """:func:`mindlytics.delivery.retry.policy`, which comes with a library that callers are not to wait for."""

    def __init__(self, settings: Settings, make_wire: Callable[[], Wire]) -> None:
        self.settings = settings
        self.owners: WeakSet[Any] = WeakSet()
        self.closed = False
        self.is_open = settings.enabled
        """Whether events are accepted for delivery."""
        self._make_wire = make_wire
        self._blocks = settings.on_full == "block"
        self._warned: set[str] = set()
        self._begin(None)

    def _begin(self, intake: Intake | None) -> None:
        """A fresh queue, and nothing under way."""
        settings = self.settings
        ledger = intake.ledger if intake else None
        self.intake = Intake(settings.max_queue_events, settings.max_queue_bytes, self._wake_sender, ledger)
        self.ledger = self.intake.ledger
        self.deadline = FOREVER
        """No request and no wait goes beyond it."""
        self.gives_up = False
        """What is pending at the deadline is given up, since nobody will send it any more."""
        self.hurry = 0
        """Events up to this number wait for no company."""
        self.asked_to_wait = False
        """The last verdict asked for a pause: then a flush does not cut it short."""
        self._outbox: Outbox | None = None
        self._telling: set[int] = set()

    @property
    def outbox(self) -> Outbox:
        """Made when the first batch is, since encoding wants libraries that a caller should not wait for."""
        if self._outbox is None:
            self._outbox = Outbox(self.settings, self._make_wire(), self.ledger, self.intake.draw)
        return self._outbox

    def renew(self) -> None:
        """Begin anew in a forked child: what was pending is the parent's to send."""
        self._begin(self.intake)

    @abstractmethod
    def _wake_sender(self) -> None:
        """Make the sender look again; may be called from any thread, with the queue's lock held."""

    @abstractmethod
    def flush(self, timeout: float | None, account: Account | None = None) -> Any:
        """Send what is pending and wait for the outcome; a :class:`FlushResult`, or an awaitable of it."""

    @abstractmethod
    def close(self, timeout: float) -> Any:
        """Accept nothing more, deliver what is pending, and end the sender; the same."""

    is_async: bool
    """Which face it is of."""

    exit_turn: int
    """When the program ends, pipelines of a lower number are finished first."""

    @abstractmethod
    def hasten(self) -> None:
        """Let what is pending leave without waiting for company."""

    @abstractmethod
    def has_sender(self) -> bool:
        """Whether there is one, be its loop even one that stands still."""

    @abstractmethod
    def begin(self) -> None:
        """See to it that a sender is at work, if there can be one."""

    @abstractmethod
    def flush_from_outside(self, timeout: float) -> None:
        """Deliver what is pending within so many seconds, called from a thread that no loop runs on."""

    @classmethod
    @abstractmethod
    def finish_all(cls, pipelines: list[Any]) -> None:
        """Deliver what is pending in each by its deadline, from a thread of a program that is ending."""

    def end_by(self, deadline: float) -> None:
        """The program ends: what is pending then will never be sent."""
        self.deadline = min(self.deadline, deadline)
        self.gives_up = True
        self.hasten()

    def _ended_with(self) -> FlushResult:
        """The account of a pipeline that was closed; kept for the one line at exit where something was lost."""
        lifecycle.remember(self)
        return self.ledger.result()

    def _turn_away(self, event: AnyEvent, account: Account, aside: bool) -> None:
        """Count an event that comes while the pipeline is not open."""
        if self.settings.enabled:
            if self.settings.strict and not aside:
                raise ClientClosed("the client is closed; this event was not queued")
            self.warn_once("closed", "an event came after close(); it and all that follow are dropped")
        self.count_dropped(event, account, Reason.CLOSED if self.settings.enabled else Reason.DISABLED)
        if self.is_open:  # other clients are at it, and a sender that tells them of their losses
            self.begin()
            self._wake_sender()
        else:
            self._tell_now()

    def _overflow(self, record: Record) -> None:
        """Too much is pending: somebody loses."""
        with self.intake.lock:  # nobody else takes the room that is made
            if self.settings.on_full == "drop_oldest":
                self.ledger.dropped(self.intake.make_room(), Reason.QUEUE_FULL)
            if not self.intake.put(record):
                self._drop_at_once(record, Reason.QUEUE_FULL)
        self.warn_once("overflow", "too many events are pending; some are dropped (on_full=%s)", self.settings.on_full)

    def count_dropped(self, event: AnyEvent, account: Account, reason: Reason) -> None:
        """Count an event that is not even queued."""
        self._drop_at_once(Record(event, account, 0), reason)

    def _drop_at_once(self, record: Record, reason: Reason) -> None:
        with self.intake.lock:
            self.ledger.accept(record)
        self.ledger.dropped([record], reason)
        if self.closed:
            lifecycle.remember(self)

    def warn_once(self, topic: str, words: str, *values: object) -> None:
        """Log a warning, once for each topic."""
        if topic not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add(topic)
            logger.warning(words, *values)

    def report_change(self, name: str, value: object, done: str) -> None:
        """A property value does not go as it is: one warning for each name, or an error where the client is strict."""
        if self.settings.strict:
            raise InvalidEvent(name, "a plain string, number or boolean (strict)", value)
        self.warn_once(name, "%s was %s", name, done)

    def _losses(self) -> Iterator[tuple[Callable[[Exception], object], DeliveryError]]:
        """The handlers to be called for what was lost since the last time; each kind of loss is logged once."""
        for account, error in self.ledger.take_losses():
            self.warn_once(
                f"lost {error.reason} {error.status}", "events are lost: %s (status %d)", error.reason, error.status
            )
            for handler in (account.on_error, account.clients_on_error, self.settings.on_error):
                if handler is not None:
                    yield handler, error

    def _tell_now(self) -> None:
        """Call the error handlers here, where no sender is at work to do so; coroutine functions are passed over."""
        me = threading.get_ident()
        if me in self._telling:  # a handler tracks, and that is lost as well
            return
        self._telling.add(me)
        try:
            for handler, error in self._losses():
                try:
                    outcome = handler(error)
                    if inspect.iscoroutine(outcome):
                        outcome.close()
                except KeyboardInterrupt:
                    raise
                except BaseException as failure:
                    self._handler_failed(failure)
        finally:
            self._telling.discard(me)

    def _handler_failed(self, error: BaseException) -> None:
        self.warn_once("on_error", "an on_error handler failed itself (%s)", type(error).__name__)

    def _rules(self, batch: Batch, sleep: Any) -> dict[str, Any]:
        """The retry policy for one batch."""
        assert batch.tried is not None
        return self._policy(self.settings, sleep=sleep, clock=clock, since=batch.tried, deadline=lambda: self.deadline)

    def _attempt(self, batch: Batch) -> Generator[Outgoing, Reply | NoReply, Verdict]:
        """One attempt, and the redirects within the host that it meets: yields requests, takes replies."""
        wire = self.outbox.wire
        url, headers = wire.url, wire.headers(batch.key)
        body = wire.body([record.data for record in batch.records], bare=batch.bare, key=batch.key)
        verdict = TIME_IS_UP
        for _ in range(1 + MAX_HOPS):
            timeout = min(self.settings.request_timeout, self.deadline - clock())
            if timeout <= 0:
                return TIME_IS_UP
            batch.attempts += 1
            verdict = self._judge((yield "POST", url, body, headers, timeout), first=batch.attempts == 1)
            url = verdict.location
            if verdict.fate is not Fate.MOVED:
                break
        self.asked_to_wait = verdict.wait is not None
        return verdict

    def _judge(self, reply: Reply | NoReply, *, first: bool) -> Verdict:
        """What a reply means, and a line in the log where it begins an outage (a stale connection alone is none)."""
        if isinstance(reply, NoReply):
            verdict = Verdict(Fate.RETRY, 0, f"no reply ({reply.cause})", stale=reply.stale)
        else:
            try:
                verdict = self.outbox.wire.judge(reply.status, reply.headers, reply.body, wall=time.time())
            except Exception:  # ours, and yet retry_for is to hold
                logger.exception("a reply could not be judged")
                verdict = Verdict(Fate.RETRY, reply.status, "the reply could not be judged")
        if verdict.fate is Fate.RETRY and not (first and verdict.stale):
            self.outbox.failing(verdict)
        logger.debug("a batch was posted: %s (status %d)", verdict.fate.value, verdict.status)
        return verdict

    def _settle(self, batch: Batch, verdict: Verdict) -> None:
        """Act on the last verdict about a batch; where time was up, on all that is left."""
        if verdict.fate is not Fate.RETRY or self.deadline == FOREVER:
            self.outbox.settle(batch, verdict, clock())
        elif self.gives_up:
            self.outbox.abandon(batch)
        else:
            self.outbox.put_back(batch)
        self.intake.freed()
