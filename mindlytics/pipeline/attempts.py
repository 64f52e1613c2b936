"""The attempts to post a batch: requests and the redirects that they meet, what a reply means, back-off, outages.

When to send which batch, and what to do with it afterwards, is in ``sender.py``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from typing import Protocol
from urllib.parse import urlsplit

from attrs import evolve

from ..delivery.batcher import Batch
from ..delivery.ledger import Ledger
from ..delivery.outbox import Outbox
from ..delivery.privacy import quotes
from ..delivery.verdict import Fate, Verdict
from ..secret import Headers
from ..settings import Settings
from ..transport import NoReply, Reply
from . import fork
from .ending import Ending
from .waiting import FOREVER, WakeUp, clock

logger: logging.Logger = logging.getLogger("mindlytics")

FLUSH_BACKOFF = 0.5
"""Seconds. A flush shortens the pause between two attempts to this."""
FROZEN = 1.0
"""Seconds by which a wait or a request may be late. Anything beyond is time for which the process was suspended."""
MAX_HOPS = 3
"""Most redirects within the same host that a request follows."""

EVENT_STATUSES = frozenset({400, 413, 422})
"""Statuses about an event. Their message may quote it, so it is in ``get_errors()`` and kept out of logs."""
KEY_STATUSES = frozenset({401, 403})
"""Statuses about the API key. Events on disk stay there until the key works."""

Outgoing = tuple[str, str, bytes, Headers, float]
"""A request for a transport: method, address, body, headers, timeout in seconds."""

TIME_IS_UP = Verdict(Fate.TIME_UP, 0, "the time was up")


class Transport(Protocol):
    """One request at a time, for the sender's thread."""

    def request(self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float) -> Reply | NoReply:
        """Send a request once. Never raises."""

    def close(self) -> None:
        """Close the transport's own connections."""


class Attempts:
    """Posts batches, one attempt or as many as ``retry_for`` allows.

    :param report_losses: calls the error handlers. It goes before each attempt.
    """

    _outbox: Outbox
    _transport: Transport
    _is_spooled: bool

    def __init__(
        self, settings: Settings, ledger: Ledger, ending: Ending, *, report_losses: Callable[[], None]
    ) -> None:
        self.origin: str = "{0.scheme}://{0.netloc}".format(urlsplit(settings.server_endpoint))
        """Where the service is, as log lines name it."""
        self.is_posting: bool = False
        self.taken_at: float = -FOREVER
        """When the service last took a batch."""
        self.backoff_cut: WakeUp = WakeUp()
        """Cuts a pause short. A flush sets it."""
        self._settings = settings
        self._ledger = ledger
        self._ending = ending
        self._report_losses = report_losses
        self._asked_to_wait = 0.0

    def use(self, outbox: Outbox, transport: Transport, *, is_spooled: bool) -> None:
        """Go on with these.

        :param is_spooled: batches are on disk, so that a refused key does not cost them.
        """
        self._outbox, self._transport, self._is_spooled = outbox, transport, is_spooled

    def retry(self, batch: Batch, first: Verdict) -> Verdict:
        """Retry a batch by the rules of ``delivery/retry.py``, after its first attempt failed."""
        with fork.importing:
            from tenacity import Retrying  # noqa: PLC0415  most programs never need it

            from ..delivery.retry import policy  # noqa: PLC0415

        known = [first]
        rules = policy(
            self._settings,
            sleep=lambda seconds: self.pause(seconds, batch),
            clock=clock,
            spent=lambda: spent(batch),
            deadline=lambda: self._ending.deadline,
        )
        verdict: Verdict = Retrying(**rules)(lambda: known.pop() if known else self.post(batch))
        return verdict

    def post(self, batch: Batch) -> Verdict:
        """Make one attempt."""
        self._report_losses()
        self.backoff_cut.clear()
        flow = self._attempt(batch)
        request = next(flow, None)
        while request is not None:
            began = clock()
            self.is_posting = True
            try:
                reply = self._transport.request(*request)
                batch.frozen += _beyond(clock() - began, request[4])
                request = flow.send(reply)
            except StopIteration as end:
                verdict: Verdict = end.value
                return verdict
            finally:
                self.is_posting = False
        return TIME_IS_UP

    def _attempt(self, batch: Batch) -> Generator[Outgoing, Reply | NoReply, Verdict]:
        """One attempt with its redirects, as a generator that yields requests and receives replies."""
        wire = self._outbox.wire
        url, headers = wire.url, wire.headers(batch.key)
        body = wire.body(batch.pieces, bare=batch.bare, key=batch.key)
        verdict = TIME_IS_UP
        for _ in range(1 + MAX_HOPS):
            timeout = min(self._settings.request_timeout, self._ending.deadline - clock())
            if timeout <= 0:
                return TIME_IS_UP
            batch.attempts += 1
            reply = yield "POST", url, body, headers, timeout
            hasty = timeout < self._settings.request_timeout
            verdict = self._judge(reply, body, first=batch.attempts == 1, hasty=hasty)
            url = verdict.location
            if verdict.fate is not Fate.MOVED:
                break
        self._asked_to_wait = verdict.wait or 0.0
        return verdict

    def _judge(self, reply: Reply | NoReply, body: bytes, *, first: bool, hasty: bool) -> Verdict:
        """What a reply means. Logs the start of an outage, which takes more than one stale connection.

        :param hasty: the request got less than ``request_timeout``, so its timing out says little.
        """
        if isinstance(reply, NoReply):
            verdict = Verdict(Fate.RETRY, 0, f"no reply: {reply.cause}", stale=reply.stale)
        else:
            try:
                verdict = self._outbox.wire.judge(reply.status, reply.headers, reply.body, wall=time.time())
            except Exception:  # our own error; retry_for still applies
                logger.exception("a reply could not be judged")
                verdict = Verdict(Fate.RETRY, reply.status, "the reply could not be judged")
        if self._is_spooled and verdict.status in KEY_STATUSES:
            verdict = evolve(verdict, fate=Fate.RETRY)
        if verdict.fate is Fate.RETRY:
            if not (first and verdict.stale):
                self._ending.attempt_failed()
                cause = self._cause(verdict, body)
                if not (hasty and isinstance(reply, NoReply) and reply.timed_out and self._ledger.last_cause):
                    self._ledger.last_cause = cause
                self._outbox.log_outage(cause)
                logger.debug("a batch was posted: %s", cause)
        else:
            self._ending.was_answered = True
            if verdict.fate is Fate.DELIVERED:
                self.taken_at = clock()
            self._ledger.last_cause = "" if verdict.fate is Fate.DELIVERED else self._cause(verdict, body)
            logger.debug("a batch was posted: %s (status %d)", verdict.fate.value, verdict.status)
        return verdict

    def _cause(self, verdict: Verdict, body: bytes) -> str:
        """Where and why it failed, in words that leave out what was sent."""
        if not verdict.status:
            return f"{self.origin}: {verdict.message}"
        words = "" if verdict.status in EVENT_STATUSES or quotes(verdict.message, body) else verdict.message
        said = f": {words}" if words and words != f"status {verdict.status}" else ""
        return f"{self.origin}: status {verdict.status}{said}"

    def pause(self, seconds: float, batch: Batch) -> None:
        """Wait between two attempts. A flush shortens it, but at least to what the service asked for."""
        began = clock()
        until = began + seconds
        least = began + max(FLUSH_BACKOFF, min(self._asked_to_wait, self._settings.max_retry_wait))
        while (left := min(until, self._ending.deadline) - (now := clock())) > 0:
            if self.backoff_cut.wait(left):
                until = min(until, least)
            batch.frozen += _beyond(clock() - now, left)


def spent(batch: Batch) -> float:
    """Seconds since a batch was tried first, without those in which the process was suspended."""
    return clock() - (batch.tried or 0.0) - batch.frozen


def _beyond(took: float, expected: float) -> float:
    """Seconds for which the process was suspended."""
    return took - expected if took > expected + FROZEN else 0.0
