"""What one listener wants, what it has seen, and how it stands. No sockets, no waiting."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field

from ..errors import LiveError
from ..values import Timestamp, parse_timestamp
from .event import MLEvent

if TYPE_CHECKING:
    from ..settings import Settings

logger = logging.getLogger("mindlytics")

REMEMBERED = 10_000
"""Ids of events that are remembered, so that none is handed over twice."""

MAX_READ_BACK = 5000
"""Events that are read back at most, after a time without a connection; well below those that are remembered."""

MARGIN = timedelta(seconds=60)
"""How much earlier than the moment up to which all was heard an event may be that arrived only after it."""

MAILBOX = 1000
"""Events that wait for an iteration that is slow; the service is not listened to while there are more."""

GRACE = 1.0
"""Seconds in which a listener may end once it is told to; a handler may hold it up for longer."""
LONGEST_WAIT = 1e6
"""Seconds beyond which waiting is waiting for ever."""

LOST = "live events cannot be had for now (%s); trying again"
ERROR_EVENT = "MLError"
START_EVENT = "Session Started"
END_EVENT = "Session Ended"


def _moment(given: Timestamp) -> datetime:
    return parse_timestamp(given) if isinstance(given, str) else given


@define(eq=False)
class Subscription:
    """Events of one session, or of the whole project, for a handler or an iteration.

    :param since: what happened before is not of interest.
    :param on_event: called with each ``MLEvent``, a function or a coroutine function; None: events go into the mailbox.
    :param on_error: called with a ``LiveError`` for each problem that the service reports, and with what ``on_event``
        raised.
    :param of_session: it serves a session of this program, and is over some time after that session's end.
    """

    session_id: str | None
    since: datetime = field(converter=_moment)
    on_event: Callable[[MLEvent], Any] | None = None
    on_error: Callable[[Any], Any] | None = None
    of_session: bool = False

    is_connected: bool = False
    """Whether there was a connection yet."""
    is_over: bool = False
    """It was stopped, or the service refuses."""
    failure: LiveError | None = None
    """Why the service refuses."""
    ends_asked: int = 0
    """How often the session was ended by this program."""
    ends_seen: int = 0
    """How often its end was among the events."""
    is_awaited: bool = False
    """Somebody waits for that."""
    has_begun: bool = False
    """The session's start was among the events."""
    mailbox: deque[MLEvent] = field(factory=deque)
    heard_until: datetime | None = None
    """When the last connection had certainly handed over all that there was."""
    _seen: dict[str, None] = field(factory=dict)
    _warned: set[str] = field(factory=set)

    @property
    def has_ended(self) -> bool:
        """Whether the end of the session that the program asked for was handed over."""
        return 0 < self.ends_asked <= self.ends_seen

    def goes_on(self, session_id: str) -> bool:
        """Whether it serves that session still, or again: one that ended may begin anew under its id."""
        return not self.is_over and session_id == self.session_id

    @property
    def read_back_from(self) -> datetime:
        """Events since then may have been missed. A session is read back whole, since it may lie in the past."""
        if self.heard_until is None or self.session_id is not None:
            return self.since
        return max(self.since, self.heard_until - MARGIN)

    def reach_back(self, timestamp: Timestamp) -> None:
        """The session has an event of that time: where it is earlier than all others, it is of interest too."""
        self.since = min(self.since, _moment(timestamp))

    def wants(self, event: MLEvent) -> bool:
        """Whether it is to be handed over: of this session, and for the first time."""
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

    def is_over_with(self, event: MLEvent) -> bool:
        """Whether an event is the session's end: not one that was still to be told when it began anew under its id."""
        if event.event != END_EVENT:
            return False
        try:
            return self.has_begun or _moment(event.timestamp) >= self.since
        except ValueError:
            return True

    def fail(self, error: BaseException) -> None:
        """What serves it has ended by an error of our own, and nothing will come any more."""
        logger.error("the listener failed", exc_info=error)
        self.failure = LiveError(f"the listener failed ({type(error).__name__})")
        self.is_over = True

    def has_seen(self, event: MLEvent) -> bool:
        """Whether it was handed over."""
        return event.event_id in self._seen

    def warn_once(self, words: str, *values: object) -> None:
        """Log a warning, unless it was logged already."""
        if words not in self._warned:
            self._warned.add(words)
            logger.warning(words, *values)

    def connected(self) -> None:
        """There is a connection."""
        self.is_connected = True
        if LOST in self._warned:
            self._warned.discard(LOST)
            logger.info("live events come again")


class Listening(Protocol):
    """A subscription, and what serves it on a face."""

    subscription: Subscription

    def __init__(self, settings: Settings, subscription: Subscription) -> None: ...

    def start(self) -> None:
        """See to it that it is served."""

    def cancel(self) -> None:
        """Tell what serves it to end."""


def problem(event: MLEvent) -> LiveError:
    """What the service reports, as an error."""
    words = event.properties.get("error_message")
    return LiveError(str(words) if words else "the service met a problem")
