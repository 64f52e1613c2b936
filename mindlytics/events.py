"""The events that are recorded: immutable, typed, and valid once made.

Each class is one row of the service's event table. The client builds events through its validators, and the local
server decodes with them, so the contract exists once. ``values.py`` checks values, ``wire.py`` encodes events, and
``delivery/`` decides when they leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Any, ClassVar, TypeVar

from attrs import Attribute, evolve, field, frozen
from attrs import fields as attrs_of

from . import validators
from .errors import InvalidEvent
from .usage import Cost, TokenBasedCost, Usage
from .values import Scalar, Timestamp, now

FEEDBACK = "Feedback"
"""The name of the custom event for a rating of a session or a turn."""
FEEDBACK_TYPES = ("thumbs_up", "thumbs_down")

SESSION_STARTED = "Session Started"
SESSION_ENDED = "Session Ended"
USER_IDENTIFIED = "User Identified"
USER_ALIASED = "User Aliased"
INTENT_INFORMED = "Intent Informed"
INTENT_CLOSED = "Intent Closed"
CONVERSATION_SUMMARY = "Conversation Summary"
ML_ERROR = "MLError"
"""The names of stored events that are not tracked under them: the service makes these."""


def _usage(_: object, attribute: Attribute[Usage], value: object) -> None:
    if value is None and attribute.default is None:
        return
    if not isinstance(value, (TokenBasedCost, Cost)):
        raise InvalidEvent(attribute.name, "a TokenBasedCost or a Cost", value)


EMPTY_SIZE = 600
"""Bytes of memory, roughly, that an event holds besides its texts."""


def _mapping_size(values: Mapping[str, Scalar] | None) -> int:
    return sum(getsizeof(name) + getsizeof(value) for name, value in values.items()) if values else 0


class AnyEvent:
    """What delivery needs of an event of any service."""

    @property
    def size(self) -> int:
        """Bytes of memory, roughly, that this event holds."""
        return EMPTY_SIZE

    def translated(self) -> AnyEvent:
        """The event for its service, if it was recorded for another one."""
        return self

    def redacted(self, redact: Callable[[str], str]) -> AnyEvent:
        """The event with its texts and maps redacted. Its ids and names stay."""
        return self

    def without_texts(self) -> AnyEvent:
        """The event with the lengths of what people and functions said instead of the texts."""
        return self


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Event(AnyEvent):
    """What all events share: the session, the time, and the user.

    :param session_id: 1 to 100 characters.
    :param timestamp: an ISO 8601 text or an aware datetime.
    :param user_id: the user, if known.
    :param device_id: the device, if known.
    """

    type: ClassVar[str] = "track"
    event: ClassVar[str | None] = None
    own_properties: ClassVar[tuple[str, ...]] = ()
    """The fields that are sent among the properties. Callers cannot use these names for properties."""
    texts: ClassVar[Mapping[str, str | None]] = {}
    """The fields with what people and functions said, and the values that replace them."""

    session_id: str = field(validator=validators.name)
    timestamp: Timestamp = field(factory=now, validator=validators.timestamp)
    user_id: str | None = field(default=None, validator=validators.optional_name)
    device_id: str | None = field(default=None, validator=validators.optional_name)

    # Written once here. Generating them for each class would take a third of the import time of this file.
    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), self.session_id, self.timestamp))

    def __repr__(self) -> str:
        """The event's class, session and time, without its content."""
        if "timestamp" not in vars(self):
            return f"<{type(self).__name__} (incomplete)>"
        return f"<{type(self).__name__} of session {self.session_id!r} at {self.timestamp!s}>"

    def redacted(self, redact: Callable[[str], str]) -> Event:
        """The event with its texts, properties, attributes and traits redacted."""
        from .redaction import redacted_map  # noqa: PLC0415  most programs redact nothing

        changed: dict[str, Any] = {}
        for name in (*self.texts, "properties", "attributes", "traits"):
            value = getattr(self, name, None)
            if isinstance(value, str):
                changed[name] = redact(value)
            elif value:
                changed[name] = redacted_map(value, redact)
        return evolve(self, **changed)

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
    """A session begins. ``id`` is the user's id, if known."""

    type: ClassVar[str] = "start_session"

    id: str | None = field(default=None, validator=validators.optional_name)
    attributes: Mapping[str, Scalar] = field(factory=dict, validator=validators.scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.attributes)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class EndSession(Event):
    """A session ends, with all its open conversations."""

    type: ClassVar[str] = "end_session"

    attributes: Mapping[str, Scalar] = field(factory=dict, validator=validators.scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.attributes)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Identify(Event):
    """The user of a session becomes known. The traits are merged into the user's."""

    type: ClassVar[str] = "identify"

    id: str | None = field(default=None, validator=validators.optional_name)
    traits: Mapping[str, Scalar] | None = field(default=None, validator=validators.scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.traits)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Alias(Event):
    """A user gets a new primary id and keeps the old ones as aliases."""

    type: ClassVar[str] = "alias"

    id: str = field(validator=validators.name)
    previous_id: str = field(validator=validators.name)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class TrackedEvent(Event):
    """What every ``track`` event has: an optional conversation, and the caller's own scalars."""

    conversation_id: str | None = field(default=None, validator=validators.optional_name)
    properties: Mapping[str, Scalar] = field(factory=dict, validator=validators.scalars)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + _mapping_size(self.properties)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class CustomEvent(TrackedEvent):
    """An event of the application's own. ``event`` is its name, 1 to 100 characters."""

    event: str = field(validator=validators.name)  # type: ignore[misc]

    def without_texts(self) -> Event:
        """The event. The comment of a feedback is replaced by its length."""
        comment = self.properties.get("comment") if self.event == FEEDBACK else None
        if not isinstance(comment, str):
            return self
        others = {name: value for name, value in self.properties.items() if name != "comment"}
        return evolve(self, properties={**others, "comment_length": len(comment)})


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class StartConversation(TrackedEvent):
    """A conversation of the session begins."""

    event: ClassVar[str] = "Conversation Started"

    conversation_id: str = field(validator=validators.name)
    attributes: Mapping[str, Scalar] | None = field(default=None, validator=validators.scalars)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class EndConversation(TrackedEvent):
    """A conversation of the session ends. Its properties and attributes are merged into those of its start."""

    event: ClassVar[str] = "Conversation Ended"

    conversation_id: str = field(validator=validators.name)
    attributes: Mapping[str, Scalar] | None = field(default=None, validator=validators.scalars)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class ConversationTurn(TrackedEvent):
    """What the user said and what the assistant answered. Either may be empty."""

    event: ClassVar[str] = "Conversation Turn"
    own_properties: ClassVar[tuple[str, ...]] = ("user", "assistant", "assistant_id")
    texts: ClassVar[Mapping[str, str | None]] = {"user": "", "assistant": ""}

    conversation_id: str = field(validator=validators.name)
    user: str = field(validator=validators.text)
    assistant: str = field(validator=validators.text)
    assistant_id: str | None = field(default=None, validator=validators.optional_name)
    usage: Usage | None = field(default=None, validator=_usage)

    @property
    def size(self) -> int:
        texts = len(self.user) + len(self.assistant)
        return EMPTY_SIZE + texts + _mapping_size(self.properties) if self.properties else EMPTY_SIZE + texts


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class ConversationUsage(TrackedEvent):
    """Tokens or money to add to the conversation's cost."""

    event: ClassVar[str] = "Conversation Usage"

    conversation_id: str = field(validator=validators.name)
    usage: Usage = field(validator=_usage)


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class ConversationFunction(TrackedEvent):
    """A function that the assistant called: arguments and result as text, usually JSON, and ``runtime``
    in milliseconds.
    """

    event: ClassVar[str] = "Conversation Function"
    own_properties: ClassVar[tuple[str, ...]] = ("name", "args", "result", "runtime")
    texts: ClassVar[Mapping[str, str | None]] = {"args": None, "result": None}

    conversation_id: str = field(validator=validators.name)
    name: str = field(validator=validators.name)
    args: str | None = field(default=None, validator=validators.optional_text)
    result: str | None = field(default=None, validator=validators.optional_text)
    runtime: float = field(default=0, validator=validators.milliseconds)

    @property
    def size(self) -> int:
        return EMPTY_SIZE + len(self.args or "") + len(self.result or "") + _mapping_size(self.properties)


E = TypeVar("E", bound=Event)


def trusted(
    event_type: type[E],
    fields: Mapping[str, object],
    properties: dict[str, Scalar] | None = None,
    own: Mapping[str, Scalar] | None = None,
    usage: Usage | None = None,
) -> E:
    """An event of values that are checked already. It sets ``__dict__``, so the classes have no slots.

    :param own: the fields that are sent among the properties.
    """
    event = _new(event_type)
    values = {**_BLANKS[event_type], **fields}
    if properties is not None:
        values["properties"] = properties
    if own is not None:
        values.update(own)
    if usage is not None:
        values["usage"] = usage
    _set(event, "__dict__", values)
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

_BLANKS = {
    event_type: {attribute.name: None for attribute in attrs_of(event_type) if attribute.default is None}
    for event_type in EVENT_TYPES
}
"""The optional fields of each class that default to None."""
