"""The events: the object of an event is in its ``data``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from attrs import field, frozen

from ....annotations import JsonMapping
from ....antonnia.codec import KINDS
from ....antonnia.types import AppConnection, Message, Model, Session
from ....session_state import new_id
from ....values import now


@frozen(kw_only=True)
class EventBase(Model):
    """An event: one of the classes below, or this class for a newer ``type``.

    :param data: what it is about.
    """

    id: str = field(factory=new_id)
    created_at: datetime = field(factory=now)
    type: str
    data: JsonMapping = field(factory=dict, repr=False)


Event = EventBase


@frozen(kw_only=True)
class SessionCreatedData(Model):
    """The session of the event."""

    object: Session


@frozen(kw_only=True)
class SessionCreated(EventBase):
    """A session began."""

    type: Literal["session.created"] = "session.created"
    data: SessionCreatedData  # type: ignore[assignment]


@frozen(kw_only=True)
class SessionTransferredData(Model):
    """The session of the event."""

    object: Session


@frozen(kw_only=True)
class SessionTransferred(EventBase):
    """A session went to another agent."""

    type: Literal["session.transferred"] = "session.transferred"
    data: SessionTransferredData  # type: ignore[assignment]


@frozen(kw_only=True)
class SessionFinishedData(Model):
    """The session of the event. ``action`` is ``"expired"`` if it closed by itself."""

    object: Session
    action: Literal["expired"] | None = None


@frozen(kw_only=True)
class SessionFinished(EventBase):
    """A session was closed."""

    type: Literal["session.finished"] = "session.finished"
    data: SessionFinishedData  # type: ignore[assignment]


@frozen(kw_only=True)
class MessageCreatedData(Model):
    """The message of the event."""

    object: Message


@frozen(kw_only=True)
class MessageCreated(EventBase):
    """Something was said."""

    type: Literal["message.created"] = "message.created"
    data: MessageCreatedData  # type: ignore[assignment]


@frozen(kw_only=True)
class AppConnectionCreatedData(Model):
    """The connection of the event."""

    object: AppConnection


@frozen(kw_only=True)
class AppConnectionCreated(EventBase):
    """An organization began to use an app."""

    type: Literal["app.connection.created"] = "app.connection.created"
    data: AppConnectionCreatedData  # type: ignore[assignment]


KINDS[EventBase] = {
    "session.created": SessionCreated,
    "session.transferred": SessionTransferred,
    "session.finished": SessionFinished,
    "message.created": MessageCreated,
    "app.connection.created": AppConnectionCreated,
}
