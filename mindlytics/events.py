"""The events that are recorded: immutable, typed, and valid once made.

Each class is one row of the service's event table. Its validators are the contract, on both sides of the wire: the
client builds events through them, the local server decodes into them. What property values may be is in
``values.py``; how an event looks on a wire is in ``wire/``; when it leaves is in ``delivery/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from sys import getsizeof
from typing import Any, ClassVar, TypeVar, Union

from attrs import Attribute, evolve, field, frozen

from .errors import InvalidEvent
from .values import INT64, UTC, Scalar, Timestamp, check_timestamp, now, plain_datetime, plain_number, valid_text

FEEDBACK = "Feedback"
"""The name of the custom event that says what somebody thought of a session or of a turn."""
FEEDBACK_TYPES = ("thumbs_up", "thumbs_down")

MAX_NAME = 100
"""Ids, event names and model names are 1 to 100 characters (Mindlytics API description)."""

_NAME = f"a str of 1 to {MAX_NAME} characters"
_SCALARS = (str, int, float)  # bool is an int
MAX_INT = INT64[-1]

# Each validator begins with a test that plain good values pass at once; what does not is looked at thoroughly. Numbers
# and datetimes of other classes are kept as plain ones: encoders take no others.
Validator = Callable[[Any, "Attribute[Any]", Any], None]


def check_name(field_name: str, value: object) -> str:
    """The value, if it is an id or name of 1 to 100 characters.

    :raises InvalidEvent: it is not.
    """
    if isinstance(value, str) and 0 < len(value) <= MAX_NAME:
        if value.isascii() or value == valid_text(value):
            return value
        raise InvalidEvent(field_name, "valid Unicode, without lone surrogates", value)
    raise InvalidEvent(field_name, _NAME, value)


def _name(_: Any, attribute: Attribute[Any], value: object) -> None:
    if type(value) is not str or not 0 < len(value) <= MAX_NAME or not value.isascii():
        check_name(attribute.name, value)


def _optional_name(_: Any, attribute: Attribute[Any], value: object) -> None:
    if value is not None and (type(value) is not str or not 0 < len(value) <= MAX_NAME or not value.isascii()):
        check_name(attribute.name, value)


def _text(_: Any, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise InvalidEvent(attribute.name, "a str", value)


def _optional_text(_: Any, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidEvent(attribute.name, "a str or None", value)


def _timestamp(event: Any, attribute: Attribute[Any], value: object) -> None:
    if type(value) is not datetime or value.tzinfo is not UTC:
        check_timestamp(attribute.name, value)
        if isinstance(value, datetime) and type(value) is not datetime:
            _set(event, attribute.name, plain_datetime(value))


def _scalars(_: Any, attribute: Attribute[Any], value: object) -> None:
    if value == {} or (value is None and attribute.default is None):
        return
    if not isinstance(value, Mapping):
        raise InvalidEvent(attribute.name, "a mapping of names to strings, numbers and booleans", value)
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidEvent(f"a name in {attribute.name}", "a str", key)
        if not isinstance(item, _SCALARS):
            raise InvalidEvent(f"{attribute.name}.{key}", "a string, a number or a boolean", item)


def _count(usage: Any, attribute: Attribute[Any], value: object) -> None:
    if type(value) is not int or not 0 <= value <= MAX_INT:
        plain = plain_number(value)
        if type(plain) is not int or not 0 <= plain <= MAX_INT:
            raise InvalidEvent(attribute.name, "an int of at least 0, of 64 bits at most", value)
        _set(usage, attribute.name, plain)


def _finite(holder: Any, attribute: Attribute[Any], value: object) -> None:
    if type(value) is float and isfinite(value):
        return
    plain = plain_number(value)
    fits = plain in INT64 if type(plain) is int else type(plain) is float and isfinite(plain)
    if not fits:
        raise InvalidEvent(attribute.name, "a finite number (of 64 bits at most where it is an int)", value)
    if plain is not value:
        _set(holder, attribute.name, plain)


def _milliseconds(event: Any, attribute: Attribute[Any], value: Any) -> None:
    _finite(event, attribute, value)
    if value < 0:
        raise InvalidEvent(attribute.name, "a number of milliseconds of at least 0", value)


@frozen
class TokenBasedCost:
    """What a model's work is counted in; the service knows the price.

    :param model: the model's name, 1 to 100 characters.
    :param prompt_tokens: tokens read, an int of at least 0, of 64 bits at most.
    :param completion_tokens: tokens written, likewise.
    """

    model: str = field(validator=_name)
    prompt_tokens: int = field(validator=_count)
    completion_tokens: int = field(validator=_count)


@frozen
class Cost:
    """What a model's work cost, in the currency of the workspace."""

    cost: float = field(validator=_finite)


Usage = Union[TokenBasedCost, Cost]


def as_usage(given: object, field_name: str = "usage") -> Usage | None:
    """Read the ``usage=`` or ``cost=`` argument: either class, a mapping of either shape, or a plain number.

    :raises InvalidEvent: it is of neither shape.
    """
    if given is None or isinstance(given, (TokenBasedCost, Cost)):
        return given
    plain = plain_number(given)
    if isinstance(plain, (int, float)):
        return Cost(plain)
    if isinstance(given, Mapping):
        if "cost" in given:
            return Cost(given["cost"])
        if all(name in given for name in ("model", "prompt_tokens", "completion_tokens")):
            return TokenBasedCost(given["model"], given["prompt_tokens"], given["completion_tokens"])
        rule = "a mapping with cost, or with model, prompt_tokens and completion_tokens"
        raise InvalidEvent(field_name, rule, given)
    raise InvalidEvent(field_name, "a TokenBasedCost, a Cost, a mapping of either shape or a number", given)


def _usage(_: Any, attribute: Attribute[Any], value: object) -> None:
    if value is None and attribute.default is None:
        return
    if not isinstance(value, (TokenBasedCost, Cost)):
        raise InvalidEvent(attribute.name, "a TokenBasedCost or a Cost", value)


EMPTY_SIZE = 600
"""About how many bytes of memory an event holds beside its texts."""


def _mapping_size(values: Mapping[str, Scalar] | None) -> int:
    return sum(getsizeof(name) + getsizeof(value) for name, value in values.items()) if values else 0


class AnyEvent:
    """What delivery asks of an event, of whatever service."""

    @property
    def size(self) -> int:
        """About how many bytes of memory this event holds."""
        return EMPTY_SIZE

    def translated(self) -> AnyEvent:
        """The event as its service is to have it, where that is not the one it was recorded for."""
        return self

    def without_texts(self) -> AnyEvent:
        """The event with what people and functions say left out, only its length told."""
        return self


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Event(AnyEvent):
    """What all events share: which session, when, and on whose behalf.

    :param session_id: 1 to 100 characters.
    :param timestamp: an ISO 8601 text or an aware datetime.
    :param user_id: on whose behalf, if known.
    :param device_id: on which device, if known.
    """

    type: ClassVar[str] = "track"
    event: ClassVar[str | None] = None
    own_properties: ClassVar[tuple[str, ...]] = ()
    """The fields that travel among the properties; a caller's property of that name has no place."""
    texts: ClassVar[Mapping[str, Any]] = {}
    """The fields that hold what people and functions say, and what stands there when it is not sent."""

    session_id: str = field(validator=_name)
    timestamp: Timestamp = field(factory=now, validator=_timestamp)
    user_id: str | None = field(default=None, validator=_optional_name)
    device_id: str | None = field(default=None, validator=_optional_name)

    # Written once here rather than generated for each class: that would be a third of the time it takes to import them.
    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), self.session_id, self.timestamp))

    def __repr__(self) -> str:
        """Which event it is, and nothing of what it holds."""
        return f"<{type(self).__name__} of session {self.session_id!r} at {self.timestamp!s}>"

    def without_texts(self) -> Event:
        """The event with ``<field>_length`` among its properties for each text that it held, in characters."""
        if not self.texts:
            return self
        texts = {name: getattr(self, name) for name in self.texts}
        lengths: dict[str, Scalar] = {f"{name}_length": len(text) for name, text in texts.items() if text is not None}
        changes: dict[str, Any] = {**self.texts, "properties": {**getattr(self, "properties", {}), **lengths}}
        return evolve(self, **changes)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class StartSession(Event):
    """A session begins. ``id`` is the user's, if known."""

    type: ClassVar[str] = "start_session"

    id: str | None = field(default=None, validator=_optional_name)
    attributes: Mapping[str, Scalar] = field(factory=dict, validator=_scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.attributes)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class EndSession(Event):
    """A session ends, and with it every conversation of it that is still open."""

    type: ClassVar[str] = "end_session"

    attributes: Mapping[str, Scalar] = field(factory=dict, validator=_scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.attributes)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Identify(Event):
    """The user of a session becomes known; the traits are merged into the user's."""

    type: ClassVar[str] = "identify"

    id: str | None = field(default=None, validator=_optional_name)
    traits: Mapping[str, Scalar] | None = field(default=None, validator=_scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.traits)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Alias(Event):
    """A user gets a new primary id and keeps the old ones as aliases."""

    type: ClassVar[str] = "alias"

    id: str = field(validator=_name)
    previous_id: str = field(validator=_name)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class TrackedEvent(Event):
    """What every ``track`` event has: a conversation, where it belongs to one, and the caller's own scalars."""

    conversation_id: str | None = field(default=None, validator=_optional_name)
    properties: Mapping[str, Scalar] = field(factory=dict, validator=_scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.properties)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class CustomEvent(TrackedEvent):
    """An event that means something to the application: ``event`` is its name, 1 to 100 characters."""

    event: str = field(validator=_name)  # type: ignore[misc]


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class StartConversation(TrackedEvent):
    """A conversation of the session begins."""

    event: ClassVar[str] = "Conversation Started"

    conversation_id: str = field(validator=_name)
    attributes: Mapping[str, Scalar] | None = field(default=None, validator=_scalars)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class EndConversation(TrackedEvent):
    """A conversation of the session ends; what is given here is merged into what it began with."""

    event: ClassVar[str] = "Conversation Ended"

    conversation_id: str = field(validator=_name)
    attributes: Mapping[str, Scalar] | None = field(default=None, validator=_scalars)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class ConversationTurn(TrackedEvent):
    """What the user said and what the assistant answered (empty: nothing yet)."""

    event: ClassVar[str] = "Conversation Turn"
    own_properties: ClassVar[tuple[str, ...]] = ("user", "assistant", "assistant_id")
    texts: ClassVar[Mapping[str, Any]] = {"user": "", "assistant": ""}

    conversation_id: str = field(validator=_name)
    user: str = field(validator=_text)
    assistant: str = field(validator=_text)
    assistant_id: str | None = field(default=None, validator=_optional_name)
    usage: Usage | None = field(default=None, validator=_usage)

    @property
    def size(self) -> int:
        texts = len(self.user) + len(self.assistant)
        return EMPTY_SIZE + texts + _mapping_size(self.properties) if self.properties else EMPTY_SIZE + texts


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class ConversationUsage(TrackedEvent):
    """Tokens or money to be added to what the conversation cost so far."""

    event: ClassVar[str] = "Conversation Usage"

    conversation_id: str = field(validator=_name)
    usage: Usage = field(validator=_usage)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class ConversationFunction(TrackedEvent):
    """A function that the assistant called: arguments and result as text, mostly JSON; ``runtime`` in milliseconds."""

    event: ClassVar[str] = "Conversation Function"
    own_properties: ClassVar[tuple[str, ...]] = ("name", "args", "result", "runtime")
    texts: ClassVar[Mapping[str, Any]] = {"args": None, "result": None}

    conversation_id: str = field(validator=_name)
    name: str = field(validator=_name)
    args: str | None = field(default=None, validator=_optional_text)
    result: str | None = field(default=None, validator=_optional_text)
    runtime: float = field(default=0, validator=_milliseconds)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + len(self.args or "") + len(self.result or "") + _mapping_size(self.properties)


E = TypeVar("E", bound=Event)


def trusted(event_type: type[E], fields: dict[str, Any]) -> E:
    """An event of fields that are known to be good: all of them, and no other. Nothing is checked again.

    Sessions make plain events so: a turn takes 0.6 instead of 2.7 microseconds. The classes have no slots for its sake.
    """
    event = _new(event_type)
    _set(event, "__dict__", fields)
    return event


_new = object.__new__
_set = object.__setattr__

EVENT_TYPES: tuple[type[Event], ...] = (
    StartSession,
    EndSession,
    Identify,
    Alias,
    CustomEvent,
    StartConversation,
    EndConversation,
    ConversationTurn,
    ConversationUsage,
    ConversationFunction,
)
