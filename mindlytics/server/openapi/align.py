"""Events of Align AI in JSON. ``align/align.proto`` defines the protobuf form, and ``align/events.py`` the rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...align import events
from ...annotations import NotRequired, TypedDict
from ...events import FEEDBACK_TYPES
from ..parameters import Header, Text, Time, ref

Schema = dict[str, Any]

Name = Annotated[str, Meta(min_length=1, max_length=events.MAX_NAME)]
MaybeName = Annotated[str, Meta(max_length=events.MAX_NAME)]
Email = Annotated[str, Meta(max_length=events.MAX_EMAIL)]
Address = Annotated[str, Meta(description="An IPv4 address.")]
Country = Annotated[str, Meta(extra_json_schema={"enum": ["", *sorted(events.COUNTRIES)]})]
Index = Annotated[int, Meta(ge=1, le=events.MAX_INDEX)]
Rating = Annotated[str, Meta(extra_json_schema={"enum": list(FEEDBACK_TYPES)})]
PropertyName = Annotated[str, Meta(pattern=f"^{events.PROPERTY_NAME.pattern}$")]
PropertyText = Annotated[str, Meta(max_length=events.MAX_PROPERTY)]


class OpenedSession(TypedDict):
    sessionId: Name
    userId: Name
    assistantId: NotRequired[MaybeName]


class ClosedSession(TypedDict):
    sessionId: Name


class Location(TypedDict):
    countryCode: NotRequired[Country]


class User(TypedDict):
    userId: Name
    userDisplayName: NotRequired[MaybeName]
    userEmail: NotRequired[Email]
    userIp: NotRequired[Address]
    userLocation: NotRequired[Location]
    userCreateTime: NotRequired[Time]


class Message(TypedDict):
    sessionId: Name
    messageIndexHint: Index
    messageRole: Literal["ROLE_USER", "ROLE_ASSISTANT"]
    messageContent: Text


class SessionRating(TypedDict):
    sessionId: Name
    type: Rating
    feedbackTarget: Literal["TARGET_SESSION"]


class MessageRating(TypedDict):
    sessionId: Name
    type: Rating
    feedbackTarget: Literal["TARGET_MESSAGE"]
    messageIndexHint: Index


class PropertyValue(TypedDict):
    stringValue: NotRequired[PropertyText]


Properties = Annotated[dict[PropertyName, PropertyValue], Meta(max_length=events.MAX_PROPERTIES)]

EVENTS = (
    ("SessionOpen", events.SessionOpen, "sessionProperties", OpenedSession),
    ("SessionClose", events.SessionClose, "sessionProperties", ClosedSession),
    ("UserRecognize", events.UserRecognize, "userProperties", User),
    ("MessageCreate", events.MessageCreate, "messageProperties", Message),
    ("SessionFeedback", events.FeedbackCreate, "feedbackProperties", SessionRating),
    ("MessageFeedback", events.FeedbackCreate, "feedbackProperties", MessageRating),
)
"""The name of each schema, the event, and the type and the field of its properties."""


def _event(name: str, kind: type[events.AlignEvent], place: str, properties: Any) -> Any:
    """The type of an event."""
    custom: Any = ("customProperties", Properties | UnsetType, UNSET)
    return msgspec.defstruct(
        name,
        [
            ("type", Annotated[str, Meta(extra_json_schema={"const": kind.type})]),
            ("projectId", Header),
            ("properties", msgspec.defstruct(f"{name}Properties", [(place, properties), custom])),
            ("id", str | UnsetType, UNSET),
            ("createTime", Time | UnsetType, UNSET),
        ],
    )


def schemas() -> dict[str, Schema]:
    """The schema of each type of event, and that of any."""
    template = ref("align.{name}")["$ref"]
    _, parts = msgspec.json.schema_components([_event(*each) for each in EVENTS], ref_template=template)
    found = {f"align.{name}": schema for name, schema in parts.items()}
    return {**found, "align.Event": {"anyOf": [ref(f"align.{each[0]}") for each in EVENTS]}}
