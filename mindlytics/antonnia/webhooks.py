"""What the service posts to an application: read as typed events, and handed to the functions that want them.

    webhooks = Webhooks()

    @webhooks.on("message.created")
    def answer(event: MessageCreated) -> None: ...

    webhooks.handle(request.get_data())

How the body comes in is the web framework's affair. The service may post the same event twice: its ``id`` tells.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, Union, overload

from attrs import field, frozen

from .codec import Misfit, read
from .codec import parse as parse_json
from .exceptions import ValidationError
from .types import Message, Model, Session

Done = TypeVar("Done")
"""What a handler gives back: anything, or something to await."""
E = TypeVar("E")
_Add = Callable[[Callable[[E], Done]], Callable[[E], Done]]
"""A decorator of handlers that leaves them as they are."""


@frozen(kw_only=True)
class Event(Model):
    """What all events have.

    :param id: the event's own; one that is posted again has the same.
    :param extra: fields of the body that this version does not know; those within its ``data`` are below ``"data"``.
    """

    id: str
    created_at: datetime
    type: str


@frozen(kw_only=True)
class SessionCreated(Event):
    """``session.created``: a session began."""

    session: Session


@frozen(kw_only=True)
class SessionTransferred(Event):
    """``session.transferred``: a session was handed to another agent, or to none."""

    session: Session


@frozen(kw_only=True)
class SessionFinished(Event):
    """``session.finished``: a session was closed.

    :param action: ``"expired"`` where nobody closed it.
    """

    session: Session
    action: str | None = None

    @property
    def expired(self) -> bool:
        """Whether it ended because nothing more was said."""
        return self.action == "expired"


@frozen(kw_only=True)
class MessageCreated(Event):
    """``message.created``: something was said."""

    message: Message


@frozen(kw_only=True)
class UnknownEvent(Event):
    """An event of a type that this version does not know.

    :param data: its ``data``, as it came.
    """

    data: Mapping[str, Any] = field(factory=dict, repr=False)


WebhookEvent = Union[SessionCreated, SessionTransferred, SessionFinished, MessageCreated, UnknownEvent]

_KINDS: Mapping[str, tuple[type[Event], str]] = {
    "session.created": (SessionCreated, "session"),
    "session.transferred": (SessionTransferred, "session"),
    "session.finished": (SessionFinished, "session"),
    "message.created": (MessageCreated, "message"),
}
"""Each type's class, and what its object is called there."""

REST = "*"
"""Handlers of this name get the events that nobody else wants."""


def parse(body: bytes | str | Mapping[str, Any]) -> WebhookEvent:
    """The event that a body holds.

    :param body: as it was posted, or its JSON.
    :raises ValidationError: it is no JSON, or a field is missing or of another form.
    """
    if not isinstance(body, (bytes, bytearray, str, Mapping)):
        raise ValidationError(f"body must be bytes, a str or a mapping, got {type(body).__name__}")
    if isinstance(body, Mapping):
        given: Any = body
    else:
        try:
            given = parse_json(body)
        except ValueError:
            raise ValidationError("body must be JSON") from None
        if not isinstance(given, dict):
            raise ValidationError(f"body must be a JSON object, got {type(given).__name__}")
    try:
        return _event(given)
    except Misfit as error:
        raise ValidationError(str(error)) from None


def _event(given: Mapping[str, Any]) -> WebhookEvent:
    kind, name = _KINDS.get(str(given.get("type")), (UnknownEvent, ""))
    if kind is UnknownEvent:
        return read(UnknownEvent, given)
    data = given.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("object"), Mapping):
        raise Misfit("data.object must be an object")
    rest = dict(data)
    told = {**given, name: rest.pop("object"), "data": rest}
    if "action" in rest:
        told["action"] = rest.pop("action")
    if not rest:
        del told["data"]
    made: Any = read(kind, told)
    return made  # type: ignore[no-any-return]


class BaseWebhooks(Generic[Done]):
    """Handlers by the type of event that they want."""

    _is_async: bool

    def __init__(self) -> None:
        self._handlers: dict[str, list[Callable[[Any], Any]]] = {}

    @overload
    def on(self, type: Literal["session.created"]) -> _Add[SessionCreated, Done]: ...
    @overload
    def on(self, type: Literal["session.transferred"]) -> _Add[SessionTransferred, Done]: ...
    @overload
    def on(self, type: Literal["session.finished"]) -> _Add[SessionFinished, Done]: ...
    @overload
    def on(self, type: Literal["message.created"]) -> _Add[MessageCreated, Done]: ...
    @overload
    def on(self, type: Literal["*"]) -> _Add[WebhookEvent, Done]: ...
    def on(self, type: str) -> Any:
        """Have a function called with each event of that type: a decorator, which leaves the function as it is.

        :param type: such as ``"message.created"``, or ``"*"`` for events that no other function wants, those of
            unknown types included.
        :raises ValidationError: there is no such type, or the function is one that nobody would await.
        """
        if type not in _KINDS and type != REST:
            raise ValidationError(f"type must be one of {', '.join([*_KINDS, REST])}")

        def add(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
            if inspect.iscoroutinefunction(handler) and not self._is_async:
                raise ValidationError("handler must be a plain function; AsyncWebhooks awaits coroutine functions")
            self._handlers.setdefault(type, []).append(handler)
            return handler

        return add

    def _wanted(self, event: WebhookEvent) -> list[Callable[[Any], Any]]:
        return self._handlers.get(event.type) or self._handlers.get(REST) or []


class Webhooks(BaseWebhooks[object]):
    """Calls plain functions, one after the other, in the order in which they were added."""

    _is_async = False

    def handle(self, body: bytes | str | Mapping[str, Any]) -> WebhookEvent:
        """Read a body and call the functions that want its event; the event. What a function raises comes through.

        :raises ValidationError: the body holds no event; nothing was called.
        """
        event = parse(body)
        for handler in self._wanted(event):
            handler(event)
        return event


class AsyncWebhooks(BaseWebhooks[Awaitable[object]]):
    """Calls coroutine functions, one after the other, in the order in which they were added."""

    _is_async = True

    async def handle(self, body: bytes | str | Mapping[str, Any]) -> WebhookEvent:
        """Read a body and await the functions that want its event; the event. What a function raises comes through.

        :raises ValidationError: the body holds no event; nothing was called.
        """
        event = parse(body)
        for handler in self._wanted(event):
            await handler(event)
        return event
