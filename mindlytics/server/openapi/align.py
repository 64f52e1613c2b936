"""Events of Align AI in JSON. ``align/align.proto`` defines the protobuf form, and ``align/events.py`` the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...align.events import (
    COUNTRIES,
    MAX_EMAIL,
    MAX_INDEX,
    MAX_NAME,
    MAX_PROPERTIES,
    MAX_PROPERTY,
    PROPERTY_NAME,
    FeedbackCreate,
    MessageCreate,
    SessionClose,
    SessionOpen,
    UserRecognize,
)
from ...events import FEEDBACK_TYPES
from ..parameters import MAX_HEADER, ref

Schema = dict[str, Any]

TEXTS: Schema = {"type": "string"}
TEXT: Schema = {"type": "string", "minLength": 1}
DATE_TIME: Schema = {"type": "string", "format": "date-time"}
NAME: Schema = {**TEXT, "maxLength": MAX_NAME}
INDEX: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_INDEX}


def open_record(*required: str, **fields: Schema) -> Schema:
    """An object whose unknown fields are ignored."""
    return {"type": "object", "properties": fields, "required": list(required)}


def _custom(value: Schema) -> Schema:
    return {
        "type": "object",
        "maxProperties": MAX_PROPERTIES,
        "propertyNames": {"pattern": f"^{PROPERTY_NAME.pattern}$"},
        "additionalProperties": value,
    }


def _event(kind: str, properties: str, *required: str, **fields: Schema) -> Schema:
    """The schema of an event of this type, with its properties below their own name."""
    custom = _custom(open_record(stringValue={**TEXTS, "maxLength": MAX_PROPERTY}))
    inside = open_record(properties, **{properties: open_record(*required, **fields), "customProperties": custom})
    fields = {
        "id": TEXTS,
        "type": {"const": kind},
        "createTime": DATE_TIME,
        "projectId": {**TEXT, "maxLength": MAX_HEADER},
        "properties": inside,
    }
    return open_record("type", "projectId", "properties", **fields)


_SESSION = "sessionProperties"
_FEEDBACK = {"sessionId": NAME, "type": {"enum": list(FEEDBACK_TYPES)}}
EVENTS: Mapping[str, Schema] = {
    "SessionOpen": _event(
        SessionOpen.type,
        _SESSION,
        "sessionId",
        "userId",
        sessionId=NAME,
        userId=NAME,
        assistantId={**TEXTS, "maxLength": MAX_NAME},
    ),
    "SessionClose": _event(SessionClose.type, _SESSION, "sessionId", sessionId=NAME),
    "UserRecognize": _event(
        UserRecognize.type,
        "userProperties",
        "userId",
        userId=NAME,
        userDisplayName={**TEXTS, "maxLength": MAX_NAME},
        userEmail={**TEXTS, "maxLength": MAX_EMAIL},
        userIp={**TEXTS, "description": "An IPv4 address."},
        userLocation=open_record(countryCode={"enum": ["", *sorted(COUNTRIES)]}),
        userCreateTime=DATE_TIME,
    ),
    "MessageCreate": _event(
        MessageCreate.type,
        "messageProperties",
        "sessionId",
        "messageIndexHint",
        "messageRole",
        "messageContent",
        sessionId=NAME,
        messageIndexHint=INDEX,
        messageRole={"enum": ["ROLE_USER", "ROLE_ASSISTANT"]},
        messageContent=TEXT,
    ),
    "SessionFeedback": _event(
        FeedbackCreate.type,
        "feedbackProperties",
        "sessionId",
        "type",
        "feedbackTarget",
        **_FEEDBACK,
        feedbackTarget={"const": "TARGET_SESSION"},
    ),
    "MessageFeedback": _event(
        FeedbackCreate.type,
        "feedbackProperties",
        "sessionId",
        "type",
        "feedbackTarget",
        "messageIndexHint",
        **_FEEDBACK,
        feedbackTarget={"const": "TARGET_MESSAGE"},
        messageIndexHint=INDEX,
    ),
}


def schemas() -> dict[str, Schema]:
    """The schema of each type of event, and that of any."""
    kinds = {f"align.{name}": schema for name, schema in EVENTS.items()}
    return {**kinds, "align.Event": {"anyOf": [ref(name) for name in kinds]}}
