"""Reads what the service posts to an application as typed events, and calls your handlers with them.

    webhooks = Webhooks()

    @webhooks.on("message.created")
    def answer(event: MessageCreated) -> None: ...

    webhooks.handle(request.get_data())

Your web framework receives the body. The service may post an event twice, under the same ``id``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, Union, cast, overload

from attrs import field, frozen

from ..annotations import JsonMapping
from .codec import Misfit, from_json
from .codec import parse as parse_json
from .exceptions import ValidationError
from .types import AppConnection, Message, Model, Session

Done = TypeVar("Done")
"""What a handler returns: anything, or an awaitable."""
E = TypeVar("E")
Handler = Callable[[Any], Done]
"""A program's function, which takes the events of one type."""
_Add = Callable[[Callable[[E], Done]], Callable[[E], Done]]
"""A decorator that returns the handler itself."""


@frozen(kw_only=True)
class Event(Model):
    """The base of all events.

    :param id: the event's id. An event that is posted again keeps it.
    :param extra: fields of the body that are new to this version. New fields of its ``data`` are below ``"data"``.
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
    """``session.transferred``: a session went to another agent, or its agent was removed."""

    session: Session


@frozen(kw_only=True)
class SessionFinished(Event):
    """``session.finished``: a session was closed.

    :param action: ``"expired"`` if it closed by itself.
    """

    session: Session
    action: str | None = None

    @property
    def expired(self) -> bool:
        """Whether it ended because the contact fell silent."""
        return self.action == "expired"


@frozen(kw_only=True)
class MessageCreated(Event):
    """``message.created``: something was said."""

    message: Message


@frozen(kw_only=True)
class AppConnectionCreated(Event):
    """``app.connection.created``: an organization began to use an app."""

    connection: AppConnection


@frozen(kw_only=True)
class UnknownEvent(Event):
    """An event of a type that is new to this version.

    :param data: its ``data``, as it came.
    """

    data: JsonMapping = field(factory=dict, repr=False)


WebhookEvent = Union[
    SessionCreated, SessionTransferred, SessionFinished, MessageCreated, AppConnectionCreated, UnknownEvent
]

_KINDS: Mapping[str, tuple[type[Event], str]] = {
    "session.created": (SessionCreated, "session"),
    "session.transferred": (SessionTransferred, "session"),
    "session.finished": (SessionFinished, "session"),
    "message.created": (MessageCreated, "message"),
    "app.connection.created": (AppConnectionCreated, "connection"),
}
"""Each type's class, and the field for its object."""

REST = "*"
"""Handlers under this name get the events that have no other handler."""


def parse(body: bytes | str | Mapping[str, object]) -> WebhookEvent:
    """Read the event in a body.

    :param body: as it was posted, or its JSON.
    :raises ValidationError: it is not JSON, or a field is missing or has the wrong form.
    """
    if not isinstance(body, (bytes, bytearray, str, Mapping)):
        raise ValidationError(f"body must be bytes, a str or a mapping, got {type(body).__name__}")
    document: object = body
    if not isinstance(body, Mapping):
        try:
            document = parse_json(body)
        except ValueError:
            raise ValidationError("body must be JSON") from None
    if not isinstance(document, Mapping):
        raise ValidationError(f"body must be a JSON object, got {type(document).__name__}")
    try:
        return _event(document)
    except Misfit as error:
        raise ValidationError(str(error)) from None


def _event(document: Mapping[str, object]) -> WebhookEvent:
    kind, name = _KINDS.get(str(document.get("type")), (UnknownEvent, ""))
    if kind is UnknownEvent:
        return from_json(UnknownEvent, document)
    data = document.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("object"), Mapping):
        raise Misfit("data.object must be an object")
    rest = dict(data)
    fields = {**document, name: rest.pop("object"), "data": rest}
    if "action" in rest:
        fields["action"] = rest.pop("action")
    if not rest:
        del fields["data"]
    return cast(WebhookEvent, from_json(kind, fields))


class BaseWebhooks(Generic[Done]):
    """Handlers by type of event."""

    _is_async: bool

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler[Done]]] = {}

    @overload
    def on(self, type: Literal["session.created"]) -> _Add[SessionCreated, Done]: ...
    @overload
    def on(self, type: Literal["session.transferred"]) -> _Add[SessionTransferred, Done]: ...
    @overload
    def on(self, type: Literal["session.finished"]) -> _Add[SessionFinished, Done]: ...
    @overload
    def on(self, type: Literal["message.created"]) -> _Add[MessageCreated, Done]: ...
    @overload
    def on(self, type: Literal["app.connection.created"]) -> _Add[AppConnectionCreated, Done]: ...
    @overload
    def on(self, type: Literal["*"]) -> _Add[WebhookEvent, Done]: ...
    def on(self, type: str) -> object:
        """Register a function for a type of event. This is a decorator, which returns the function itself.

        :param type: such as ``"message.created"``, or ``"*"`` for events that have no other handler, also of unknown
            types.
        :raises ValidationError: the type does not exist, or ``Webhooks`` got a coroutine function.
        """
        if type not in _KINDS and type != REST:
            raise ValidationError(f"type must be one of {', '.join([*_KINDS, REST])}")

        def add(handler: Handler[Done]) -> Handler[Done]:
            if inspect.iscoroutinefunction(handler) and not self._is_async:
                raise ValidationError("handler must be a plain function; AsyncWebhooks awaits coroutine functions")
            self._handlers.setdefault(type, []).append(handler)
            return handler

        return add

    def _wanted(self, event: WebhookEvent) -> list[Handler[Done]]:
        return self._handlers.get(event.type) or self._handlers.get(REST) or []


class Webhooks(BaseWebhooks[object]):
    """Calls plain functions, one after the other, in the order of registration."""

    _is_async = False

    def handle(self, body: bytes | str | Mapping[str, object]) -> WebhookEvent:
        """Read a body, call the handlers of its event, and return the event. Exceptions of a handler pass through.

        :raises ValidationError: the body holds no event. No handler was called.
        """
        event = parse(body)
        for handler in self._wanted(event):
            handler(event)
        return event


class AsyncWebhooks(BaseWebhooks[Awaitable[object]]):
    """Awaits coroutine functions, one after the other, in the order of registration."""

    _is_async = True

    async def handle(self, body: bytes | str | Mapping[str, object]) -> WebhookEvent:
        """Read a body, await the handlers of its event, and return the event. Exceptions of a handler pass through.

        :raises ValidationError: the body holds no event. No handler was called.
        """
        event = parse(body)
        for handler in self._wanted(event):
            await handler(event)
        return event
