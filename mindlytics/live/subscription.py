"""What one listener wants, what it has seen, and its state. Free of sockets and waiting."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from ..errors import LiveError, OnError
from ..events import SESSION_ENDED
from ..values import Timestamp, parse_timestamp
from .event import MLEvent

if TYPE_CHECKING:
    from ..settings import Settings

logger = logging.getLogger("mindlytics")

REMEMBERED = 10_000
"""Ids of events that are remembered, to pass on each event once."""

MAX_READ_BACK = 5000
"""Most events that are read back after an outage. It must stay well below ``REMEMBERED``."""

MARGIN = timedelta(seconds=60)
"""How late events may arrive: reading back starts that much before the last time when all had arrived."""

MAILBOX = 1000
"""Most events that wait for a slow iteration. Receiving pauses while the mailbox is full."""

GRACE = 1.0
"""Seconds that a stopped listener gets to end. A handler may hold it up for longer."""
FOREVER = 1e6
"""Seconds. Longer timeouts overflow on some systems."""

LOST = "live events unavailable (%s); retrying"


def _as_datetime(timestamp: Timestamp) -> datetime:
    return parse_timestamp(timestamp) if isinstance(timestamp, str) else timestamp


@define(eq=False)
class Subscription:
    """Events of one session, or of the whole project, for a handler or an iteration.

    :param since: earlier events are skipped.
    :param on_event: called with each ``MLEvent``: a function or a coroutine function. None puts events into the
        mailbox.
    :param on_error: called with a ``LiveError`` for each problem that the service reports, and with what ``on_event``
        raised.
    :param of_session: it serves a session of this program, and ends some time after that session.
    """

    session_id: str | None
    since: datetime = field(converter=_as_datetime)
    on_event: Callable[[MLEvent], object] | None = None
    on_error: OnError | None = None
    of_session: bool = False

    is_connected: bool = False
    """Whether it was ever connected."""
    is_over: bool = False
    """Whether it was stopped, or the service refused."""
    failure: LiveError | None = None
    """Why the service refused."""
    ends_asked: int = 0
    """How often this program ended the session."""
    ends_seen: int = 0
    """How often the session's end was among the events."""
    is_awaited: bool = False
    """Whether a caller waits for that."""
    has_begun: bool = False
    """Whether the session's start was among the events."""
    mailbox: deque[MLEvent] = field(factory=deque)
    heard_until: datetime | None = None
    """When the last connection had certainly received everything."""
    _seen: dict[str, None] = field(factory=dict)
    _warned: set[str] = field(factory=set)

    @property
    def has_ended(self) -> bool:
        """Whether the session's end that the program asked for has arrived."""
        return 0 < self.ends_asked <= self.ends_seen

    def serves(self, session_id: str) -> bool:
        """Whether it serves that session, which may also have started again under its id."""
        return not self.is_over and session_id == self.session_id

    @property
    def read_back_from(self) -> datetime:
        """The time since when events may have been missed. A session may be a past one, so it is read back whole."""
        if self.heard_until is None or self.session_id is not None:
            return self.since
        return max(self.since, self.heard_until - MARGIN)

    def reach_back(self, timestamp: Timestamp) -> None:
        """Move ``since`` back to an event of the session, if that is earlier."""
        self.since = min(self.since, _as_datetime(timestamp))

    def wants(self, event: MLEvent) -> bool:
        """Whether to pass on an event: it is of this session, and new."""
        if self.session_id is not None and event.session_id not in ("", self.session_id):
            return False
        if event.event_id is None:
            return True
        if event.event_id in self._seen:
            return False
        self._seen[event.event_id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    def ends_session(self, event: MLEvent) -> bool:
        """Whether an event ends the session. The late end of an earlier run under the same id is old."""
        if event.event != SESSION_ENDED:
            return False
        try:
            return self.has_begun or _as_datetime(event.timestamp) >= self.since
        except ValueError:
            return True

    def fail(self, error: BaseException) -> None:
        """End it after an error of our own."""
        logger.error("the listener failed", exc_info=error)
        self.failure = LiveError(f"the listener failed ({type(error).__name__})")
        self.is_over = True

    def has_seen(self, event: MLEvent) -> bool:
        """Whether it was passed on."""
        return event.event_id in self._seen

    def warn_once(self, words: str, *values: object) -> None:
        """Log a warning the first time."""
        if words not in self._warned:
            self._warned.add(words)
            logger.warning(words, *values)

    def connected(self) -> None:
        """Note that a connection is open."""
        self.is_connected = True
        if LOST in self._warned:
            self._warned.discard(LOST)
            logger.info("live events available again")


class Listening(Protocol):
    """A subscription, and the task or thread that serves it."""

    subscription: Subscription

    def __init__(self, settings: Settings, subscription: Subscription) -> None: ...

    def start(self) -> None:
        """Start serving it, unless that has started."""

    def cancel(self) -> None:
        """Ask the task or thread to end."""


def problem(event: MLEvent) -> LiveError:
    """An error from the service, as an exception."""
    words = event.properties.get("error_message")
    return LiveError(str(words) if words else "the service reported a problem")
