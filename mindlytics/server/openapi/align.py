"""Align AI's ``CollectEvents`` in the document, in its JSON form. ``align/align.proto`` defines the protobuf form."""

from __future__ import annotations

from collections.abc import Mapping

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
from ...align.settings import COLLECT_PATH
from ...events import FEEDBACK_TYPES
from ..align import PROTOBUF
from .operation import Operation
from .shapes import DATE_TIME, HEADER, TEXT, TEXTS, Schema, array, open_record, record, ref

NAME: Schema = {**TEXT, "maxLength": MAX_NAME}
INDEX: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_INDEX}


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
    fields = {"id": TEXTS, "type": {"const": kind}, "createTime": DATE_TIME, "projectId": HEADER, "properties": inside}
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

OPERATIONS: Mapping[str, Operation] = {
    f"POST {COLLECT_PATH}": Operation(
        "Store events of Align AI, all or none",
        record(),
        body=open_record(requestId={**TEXTS, "maxLength": HEADER["maxLength"]}, events=array(ref("align.Event"))),
        headers={"Idempotency-Key": HEADER},
        media=[PROTOBUF],
        app=False,
        error=ref("align.Error"),
        others=[415, 422, 501],
    ),
}


def schemas() -> dict[str, Schema]:
    """All named schemas of this service."""
    return {
        "align.Event": {"anyOf": [ref(f"align.{name}") for name in EVENTS]},
        **{f"align.{name}": schema for name, schema in EVENTS.items()},
        "align.Error": record(
            ["code", "message"],
            code={**TEXTS, "description": "Connect's name of the status."},
            message={**TEXTS, "description": "What is wrong, in words."},
            field={**TEXTS, "description": "The field or header that breaks a rule."},
            rule={**TEXTS, "description": "The rule."},
            index={"type": "integer", "minimum": 0, "description": "The place of the bad event among the events."},
        ),
    }
