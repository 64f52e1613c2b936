"""A session recorded for Mindlytics, copied to Align AI.

The queue holds the recorded event and the function that translates it. The sender translates it after the client's own
``before_send`` and ``content_mode``, so both services see the same.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attrs import Factory, define

from ..delivery.account import Account
from ..delivery.privacy import Suppressed, apply_before_send, redaction
from ..errors import ValidationError
from ..events import (
    FEEDBACK,
    FEEDBACK_TYPES,
    AnyEvent,
    ConversationTurn,
    CustomEvent,
    EndSession,
    Event,
    Identify,
    StartSession,
)
from ..settings import Settings
from ..values import Scalar, parse_timestamp
from .events import (
    DEFAULT_ASSISTANT_ID,
    MAX_NAME,
    MAX_PROPERTIES,
    MAX_PROPERTY,
    PROPERTY_NAME,
    ROLE_ASSISTANT,
    ROLE_USER,
    AlignEvent,
    FeedbackCreate,
    MessageCreate,
    SessionClose,
    SessionOpen,
    UserRecognize,
)

MAX_SESSIONS = 10_000
"""Sessions whose progress a process remembers, besides those in use."""

USER_FIELDS = {"display_name": "display_name", "name": "display_name", "email": "email", "ip": "ip"}
USER_FIELDS |= {"country_code": "country_code"}
"""The traits that the service has fields for."""

if TYPE_CHECKING:
    from ..pipeline.base import Pipeline
    from ..redaction import Redact

Report = Callable[[str, str], None]
"""Called with the name of a value that Align AI cannot take, and the reason."""
Make = Callable[[Any, Report], AlignEvent]
"""Makes the event of Align AI from an event of Mindlytics after ``before_send``."""


@define(eq=False)
class _Progress:
    """How far a session is: whether it was opened, and the numbers of its next turns."""

    is_open: bool = False
    turns: itertools.count[int] = Factory(lambda: itertools.count(1))


_sessions: OrderedDict[tuple[str, str, str], _Progress] = OrderedDict()
"""The sessions of this process, the latest used at the end, so that a resumed session goes on with its numbers. They
have no lock, since a fork could copy it locked. Each step on them is atomic in the interpreter."""


def _progress_of(settings: Settings, session_id: str, progress: _Progress) -> _Progress:
    """How far that session is: the remembered progress, else ``progress``."""
    place = (settings.server_endpoint, settings.project_id, session_id)
    known = _sessions.setdefault(place, progress)
    with contextlib.suppress(KeyError):  # another thread removed it just now
        _sessions.move_to_end(place)
        while len(_sessions) > MAX_SESSIONS:
            _sessions.popitem(last=False)
    return known


class _Original:
    """An event of Mindlytics, and what ``before_send`` makes of it."""

    def __init__(
        self, event: Event, before_send: Callable[[Any], object] | None, redact: Redact | None, report: Report
    ) -> None:
        self.event = event
        self.report = report
        self._before_send = before_send
        self._redact = redact
        self._outcome: AnyEvent | Suppressed | None = None

    def allowed(self) -> AnyEvent:
        """What the client's ``before_send`` makes of it. It is called once.

        :raises Suppressed: ``before_send`` dropped it.
        """
        if self._outcome is None:
            try:
                self._outcome = apply_before_send(self.event, self._before_send, with_texts=True, redact=self._redact)
            except Suppressed as suppressed:
                self._outcome = suppressed
        if isinstance(self._outcome, Suppressed):
            raise self._outcome
        return self._outcome

    @property
    def assistant_id(self) -> str | None:
        """The assistant's id, if this is a turn that ``before_send`` let pass."""
        try:
            return getattr(self.allowed(), "assistant_id", None)
        except Suppressed:
            return None


class Translation(AnyEvent):
    """An event of Mindlytics in the queue, to become one of Align AI."""

    def __init__(self, original: _Original, make: Make, *, with_texts: bool) -> None:
        self._original = original
        self._make = make
        self._with_texts = with_texts

    @property
    def size(self) -> int:
        return self._original.event.size

    def translated(self) -> AlignEvent:
        """The event of Align AI.

        :raises Suppressed: ``before_send`` dropped it.
        :raises ValidationError: it breaks a limit of Align AI's.
        """
        event = self._make(self._original.allowed(), self._original.report)
        return event if self._with_texts else event.without_texts()


class Mirror:
    """Copies a session's events to Align AI.

    :param pipeline: the pipeline of the Align AI client.
    :param account: the session's account in that pipeline.
    :param settings: those of the client that records.
    """

    def __init__(self, pipeline: Pipeline, account: Account, settings: Settings) -> None:
        self.account = account
        self._pipeline = pipeline
        self._before_send = settings.before_send
        self._redact = redaction(settings)
        # Shorten texts once. If the Align AI client does so, shortening here too would send the length of a length.
        self._with_texts = settings.content_mode == "full" or pipeline.settings.content_mode != "full"
        self._session_id: str | None = None
        self._progress = _Progress()
        self._closed = False

    def take(self, event: Event, *, closed: bool) -> None:
        self._closed = closed
        if event.session_id != self._session_id:
            self._session_id = event.session_id
            self._progress = _Progress()
        self._progress = _progress_of(self._pipeline.settings, event.session_id, self._progress)
        original = self._original(event)
        if isinstance(event, StartSession):
            self._open(original, None)
            return
        if not self._progress.is_open and not isinstance(event, EndSession):
            self._open(self._original(_start_of(event)), original)
        if isinstance(event, ConversationTurn):
            self._take_turn(original, event)
        elif isinstance(event, EndSession):
            self._progress.is_open = False
            self._queue(original, _session_close)
        elif isinstance(event, Identify):
            self._queue(original, _user_recognize)
        elif isinstance(event, CustomEvent) and _is_feedback(event):
            self._queue(original, _feedback_create)

    def _original(self, event: Event) -> _Original:
        return _Original(event, self._before_send, self._redact, self._report)

    def _open(self, start: _Original, first: _Original | None) -> None:
        self._progress.is_open = True
        self._queue(start, partial(_session_open, first))

    def _take_turn(self, original: _Original, turn: ConversationTurn) -> None:
        number = next(self._progress.turns)
        said = ((ROLE_USER, turn.user, 2 * number - 1), (ROLE_ASSISTANT, turn.assistant, 2 * number))
        for role, text, index in said:
            if text:
                self._queue(original, partial(_message_create, role, index))

    def _queue(self, original: _Original, make: Make) -> None:
        translation = Translation(original, make, with_texts=self._with_texts)
        if self._closed:
            self._pipeline.reject(self.account, best_effort=True)
        else:
            self._pipeline.submit(translation, translation.size, self.account, best_effort=True)

    def _report(self, name: str, why: str) -> None:
        self._pipeline.warn_once(f"align {name}", "%s is not sent to Align AI: %s", name, why)


def index_of_turn(number: int) -> int:
    """The index of the assistant's message in a turn. Both count from 1."""
    return 2 * number


def _is_feedback(event: CustomEvent) -> bool:
    """Whether ``track_feedback`` made it. Another event may have the same name."""
    if "turn_id" in event.properties and "turn" not in event.properties:  # the service takes only numbers
        return False
    return event.event == FEEDBACK and event.properties.get("feedback") in FEEDBACK_TYPES


def _start_of(event: Event) -> StartSession:
    """A start for a session that has none."""
    return StartSession(
        session_id=event.session_id,
        timestamp=event.timestamp,
        user_id=event.user_id,
        device_id=event.device_id,
        id=event.user_id,
    )


# -- translating an event, in the sender


def _session_open(first: _Original | None, event: StartSession, report: Report) -> AlignEvent:
    assistant_id = first.assistant_id if first else None
    if assistant_id is not None and len(assistant_id) > MAX_NAME:
        report("assistant_id", f"it has more than {MAX_NAME} characters")
        assistant_id = None
    return SessionOpen(
        session_id=event.session_id,
        user_id=event.id or event.user_id or event.device_id or "",
        assistant_id=assistant_id or DEFAULT_ASSISTANT_ID,
        custom_properties=_fitting("attributes", event.attributes, report),
        timestamp=_time_of(event),
    )


def _session_close(event: EndSession, _: Report) -> AlignEvent:
    return SessionClose(session_id=event.session_id, timestamp=_time_of(event))


def _message_create(role: str, index: int, event: ConversationTurn, report: Report) -> AlignEvent:
    content = event.user if role == ROLE_USER else event.assistant
    if not content:
        raise Suppressed(wanted=True)  # before_send emptied it
    return MessageCreate(
        session_id=event.session_id,
        message_index=index,
        role=role,
        content=content,
        custom_properties=_fitting("properties", event.properties, report),
        timestamp=_time_of(event),
    )


def _user_recognize(event: Identify, report: Report) -> AlignEvent:
    user_id = event.id or event.user_id or event.device_id or ""
    fields: dict[str, Any] = {}
    others = dict(event.traits or {})
    for trait, name in USER_FIELDS.items():
        value = others.get(trait)
        if isinstance(value, str) and name not in fields:
            del others[trait]
            try:
                UserRecognize(user_id=user_id, **dict[str, Any]({name: value}))
            except ValidationError as error:
                report(f"traits.{trait}", f"it must be {error.rule}")
            else:
                fields[name] = value
    fields["custom_properties"] = _fitting("traits", others, report)
    return UserRecognize(user_id=user_id, timestamp=_time_of(event), **fields)


def _feedback_create(event: CustomEvent, _: Report) -> AlignEvent:
    turn = event.properties.get("turn")
    return FeedbackCreate(
        session_id=event.session_id,
        message_index=None if turn is None else index_of_turn(cast(int, turn)),  # the event checks it
        feedback_type=str(event.properties.get("feedback", "")),
        timestamp=_time_of(event),
    )


def _fitting(field: str, scalars: Mapping[str, Scalar], report: Report) -> dict[str, str]:
    """Scalars as custom properties. One that breaks a limit is reported and left out."""
    fitting: dict[str, str] = {}
    for name, value in scalars.items():
        text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        if not PROPERTY_NAME.fullmatch(name):
            report(f"{field}.{name}", f"its name must be of the form ^{PROPERTY_NAME.pattern}$")
        elif len(text) > MAX_PROPERTY:
            report(f"{field}.{name}", f"it has more than {MAX_PROPERTY} characters")
        elif len(fitting) == MAX_PROPERTIES:
            report(f"{field}.{name}", f"there are {MAX_PROPERTIES} others already")
        else:
            fitting[name] = text
    return fitting


def _time_of(event: Event) -> datetime:
    return parse_timestamp(event.timestamp) if isinstance(event.timestamp, str) else event.timestamp
