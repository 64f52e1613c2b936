"""The Antonnia Conversations API in the document. Its schemas are made from the types in ``antonnia/``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from attrs import NOTHING, fields

from ...antonnia import types
from ...antonnia.codec import AGENTS, CONFIGS, CONTENTS
from ...antonnia.sessions import LONGEST_DEBOUNCE
from ..antonnia.app import PREFIX
from .operation import Operation
from .shapes import DATE_TIME, HEADER, OBJECT, TEXT, TEXTS, TIMESTAMP, Schema, array, open_record, or_null, record, ref

KINDS: Mapping[type[types.Model], Mapping[str, type[types.Model]]] = {
    types.MessageContent: CONTENTS,
    types.Agent: AGENTS,
    types.ScheduleConfig: CONFIGS,
}
"""The classes with subclasses, which ``type`` distinguishes."""

MODELS = (types.Session, types.Message, types.SessionSchedule, types.SurveySubmission)


def _name(kind: type[Any]) -> str:
    return f"antonnia.{kind.__name__}"


def _of(hint: Any) -> Schema:
    """The schema of a field, by its type."""
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if type(None) in get_args(hint):
        return or_null(_of(Union[tuple(each for each in get_args(hint) if each is not type(None))]))
    if isinstance(hint, type) and issubclass(hint, types.Model):
        return ref(_name(hint))
    plain: Mapping[Any, Schema] = {str: TEXTS, int: {"type": "integer"}, datetime: DATE_TIME}
    return plain.get(hint, OBJECT)


def _model(kind: type[types.Model]) -> Schema:
    """The schema of an object of this class. Unknown fields are kept."""
    hints = get_type_hints(kind)
    own = [attribute for attribute in fields(kind) if attribute.name != "extra"]
    required = [attribute.name for attribute in own if attribute.default is NOTHING or attribute.name == "type"]
    schema = open_record(*required, **{attribute.name: _of(hints[attribute.name]) for attribute in own})
    return {**schema, "description": (kind.__doc__ or "").strip()}


def schemas() -> dict[str, Schema]:
    """All named schemas of this service."""
    return {
        **{_name(base): {"oneOf": [ref(_name(kind)) for kind in kinds.values()]} for base, kinds in KINDS.items()},
        **{_name(kind): _model(kind) for kinds in KINDS.values() for kind in kinds.values()},
        **{_name(kind): _model(kind) for kind in MODELS},
        "antonnia.Error": record(detail={**TEXTS, "description": "What is wrong, in words."}),
    }


_SESSION, _MESSAGE, _SCHEDULE, _SURVEY, _AGENT = (ref(_name(kind)) for kind in (*MODELS, types.Agent))
_CONTENT, _CONFIG = ref(_name(types.MessageContent)), ref(_name(types.ScheduleConfig))
_ID, _METADATA = or_null(TEXT), or_null(OBJECT)
_STATUS, _ROLE, _DELIVERY = _of(types.SessionStatus), _of(types.MessageRole), _of(types.MessageDeliveryStatus)
_PAGE = {"offset": or_null({"type": "integer", "minimum": 0}), "limit": or_null({"type": "integer", "minimum": 1})}

_asked = partial(Operation, app=False, error=ref("antonnia.Error"), refusals=(401, 404, 413, 422))
"""A request that reads."""
_done = partial(_asked, headers={"Idempotency-Key": HEADER})
"""A request that changes something. Repeating it under the same key has no further effect."""

_OPERATIONS: Mapping[str, Operation] = {
    "POST /sessions": _done(
        "Open a session",
        _SESSION,
        body=open_record(
            "contact_id",
            "contact_name",
            contact_id=TEXT,
            contact_name=TEXT,
            agent_id=_ID,
            status=_STATUS,
            metadata=_METADATA,
        ),
    ),
    "POST /sessions/search": _asked(
        "Sessions",
        array(_SESSION),
        body=open_record(contact_id=_ID, status=or_null(_STATUS), metadata=_METADATA, **_PAGE),
    ),
    "GET /sessions/{session_id}": _asked("A session", _SESSION),
    "PATCH /sessions/{session_id}": _done(
        "Change fields of a session",
        _SESSION,
        body=open_record(
            "fields",
            fields=record(
                [],
                thread_id=_ID,
                status=_STATUS,
                agent_id=_ID,
                ending_survey_submission_id=_ID,
                metadata=_METADATA,
                organization_id=TEXT,
            ),
        ),
    ),
    "POST /sessions/{session_id}/transfer": _done(
        "Give a session to an agent", _SESSION, body=open_record(agent_id=_ID)
    ),
    "POST /sessions/{session_id}/finish": _done("Close a session", _SESSION, body=open_record(ending_survey_id=_ID)),
    "POST /sessions/{session_id}/reply": _done(
        "Have the agent answer",
        _SESSION,
        body=open_record(debounce_time=or_null({"type": "integer", "minimum": 0, "maximum": LONGEST_DEBOUNCE})),
    ),
    "POST /sessions/{session_id}/schedule": _done(
        "Have something happen later",
        _SCHEDULE,
        body=open_record("scheduled_for", "config", scheduled_for=TIMESTAMP, config=_CONFIG),
    ),
    "POST /sessions/{session_id}/messages": _done(
        "Add a message",
        _MESSAGE,
        body=open_record(
            "role",
            "content",
            role=_ROLE,
            content=_CONTENT,
            provider_message_id=_ID,
            replied_provider_message_id=_ID,
        ),
    ),
    "POST /sessions/{session_id}/messages/search": _asked(
        "Messages of a session",
        array(_MESSAGE),
        body=open_record(provider_message_id=_ID, replied_provider_message_id=_ID, **_PAGE),
    ),
    "GET /sessions/{session_id}/messages/{message_id}": _asked("A message", _MESSAGE),
    "PATCH /sessions/{session_id}/messages/{message_id}": _done(
        "Note what became of a message",
        _MESSAGE,
        body=open_record(
            provider_message_id=_ID,
            replied_provider_message_id=_ID,
            delivery_status=or_null(_DELIVERY),
            delivery_error_code=or_null({"type": "integer"}),
            delivery_error_message=_ID,
            delivered_at=or_null(TIMESTAMP),
        ),
    ),
    "POST /messages/search": _asked(
        "Messages of all sessions, or of one",
        array(_MESSAGE),
        body=open_record(session_id=_ID, provider_message_id=_ID, replied_provider_message_id=_ID, **_PAGE),
    ),
    "GET /sessions/{session_id}/surveys/{survey_id}": _asked("A survey's submission", _SURVEY),
    "POST /sessions/{session_id}/surveys/{survey_id}/reply": _done("Go on with a survey", _SURVEY),
    "POST /sessions/{session_id}/surveys/{survey_id}/cancel": _done("Give up a survey", _SURVEY),
    "POST /agents": _done(
        "Make an agent",
        _AGENT,
        status=201,
        body={
            "oneOf": [
                open_record("name", "type", "assistant_id", name=TEXT, type={"const": "ai"}, assistant_id=TEXT),
                open_record("name", "type", "profile_id", name=TEXT, type={"const": "human"}, profile_id=TEXT),
            ]
        },
    ),
    "GET /agents/{agent_id}": _asked("An agent", _AGENT),
    "PATCH /agents/{agent_id}": _done(
        "Change fields of an agent",
        _AGENT,
        body=open_record("fields", fields=record([], name=TEXT, assistant_id=TEXT, profile_id=TEXT)),
    ),
    "DELETE /agents/{agent_id}": _done("Remove an agent", None, status=204),
    "POST /agents/search": _asked(
        "Agents",
        array(_AGENT),
        body=open_record(type={"enum": [*AGENTS, None]}, assistant_id=_ID, profile_id=_ID, **_PAGE),
    ),
}

OPERATIONS: Mapping[str, Operation] = {
    name.replace(" ", f" {PREFIX}", 1): operation for name, operation in _OPERATIONS.items()
}
