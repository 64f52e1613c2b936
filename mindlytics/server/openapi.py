"""The server's own description, an OpenAPI document: which request takes what and answers what.

A route of the server has its row in ``OPERATIONS``, and a test compares the two. What requests and answers look like
is in ``schemas.py``, made of the types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from attrs import field, frozen

from .. import __version__
from ..events import EVENT_TYPES, TrackedEvent
from ..wire.mindlytics import ALIAS_PATH, IDENTIFY_PATH, QUEUE_PATH
from .find import COLLECTIONS
from .http import MAX_HEADER
from .keys import CLEANUP_PATH, ORGKEYS_PATH
from .live import LIVE_PATH, RECENT
from .schemas import NAME, NULL, SCALAR, TEXTS, Schema, array, or_null, ref, row_name, row_schema, schemas
from .user_reads import PAGE, USER

EVENT_PATH = "/bc/v1/events/event"
EVENT_PATHS: Mapping[str, tuple[str, str | None]] = {
    "identify": ("identify", None),
    "alias": ("alias", None),
    "start-session": ("start_session", None),
    "end-session": ("end_session", None),
    "track": ("track", None),
    "start-conversation": ("track", "Conversation Started"),
    "end-conversation": ("track", "Conversation Ended"),
    "conversation-turn": ("track", "Conversation Turn"),
    "conversation-usage": ("track", "Conversation Usage"),
    "conversation-function": ("track", "Conversation Function"),
}
"""The last part of the path of a single event, and the ``type`` and ``event`` that it stands for."""

REASONS = {
    400: "A rule is broken; `field` names where.",
    401: "The key or the project id is missing.",
    403: "The key is not taken.",
    404: "There is no such thing.",
    413: "The body is longer than 1 MiB.",
    426: "This address is a WebSocket's.",
}


@frozen
class Operation:
    """A request and its answer.

    :param query: the parameters, those that are no plain texts or numbers being JSON.
    :param required: which of them must be given.
    :param key: whether an API key is asked for; ``app``: whether a project id is, too.
    :param others: statuses besides 200 and those that follow from the rest.
    """

    summary: str
    answer: Schema
    query: Mapping[str, Schema] = field(factory=dict)
    required: Sequence[str] = ()
    body: Schema | None = None
    headers: Mapping[str, Schema] = field(factory=dict)
    key: bool = True
    app: bool = True
    others: Sequence[int] = ()


def _record(required: Sequence[str] = (), **fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "required": list(required or fields), "additionalProperties": False}


def _given(*required: str, **fields: Schema) -> Schema:
    """The body of a request: further fields are ignored."""
    return {"type": "object", "properties": fields, "required": list(required)}


def _whole(default: int = 0) -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": default}


_HEADER: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_HEADER}
_TRAITS: Schema = {"type": "object", "additionalProperties": or_null(SCALAR)}
_DATE: Schema = {"type": "string", "description": "ISO 8601, a date with or without a time"}
_PAGE = {"limit": {**_whole(PAGE), "description": "0: no limit"}, "offset": _whole()}
_ORGKEY = _record(organization_id=TEXTS, apikey=TEXTS)
_LISTED = {name: schema for name, schema in row_schema(COLLECTIONS["users"])["properties"].items() if name in USER}
_SESSION = {
    **{
        name: schema
        for name, schema in row_schema(COLLECTIONS["sessions"])["properties"].items()
        if name in ("session_id", "user_id", "started_at", "ended_at", "duration", "attributes")
    },
    "user_traits": _TRAITS,
    "events": array(ref("StoredEvent")),
}
_INSIGHT = {
    **dict.fromkeys(("user_id", "session_id", "conversation_id", "started_at", "sentiment", "summary"), TEXTS),
    **{name: {"type": "number"} for name in ("duration", "successful_intents", "unsuccessful_intents")},
}


def _kind(last: str) -> Schema:
    """The events that the path of a single event takes."""
    event_type, name = EVENT_PATHS[last]
    taken = [
        ref(each.__name__)
        for each in EVENT_TYPES
        if each.type == event_type and (name is None or (issubclass(each, TrackedEvent) and each.event == name))
    ]
    return taken[0] if len(taken) == 1 else {"oneOf": taken}


def _find(name: str, *, one: bool) -> Operation:
    collection = COLLECTIONS[name]
    row = ref(row_name(name))
    return Operation(
        f"{'One row' if one else 'Rows'} of the collection {name}",
        or_null(row) if one else array(row),
        query={
            "filter": ref("Filter"),
            "sort": ref("Sort"),
            "projection": ref("Projection"),
            "include": array({"enum": list(collection.related)}) if collection.related else {"const": []},
            "skip": _whole(),
            "limit": {**_whole(), "description": "0: no limit"},
        },
    )


OPERATIONS: Mapping[str, Operation] = {
    "GET /": Operation("Name and version", _record(name=TEXTS, version=TEXTS), key=False),
    "GET /healthz": Operation("Whether the server answers", ref("Ok"), key=False),
    "GET /openapi.json": Operation("This document", {"type": "object"}, key=False),
    f"POST {QUEUE_PATH}": Operation(
        "Store events, all or none",
        ref("Ok"),
        body={"anyOf": [array(ref("Event")), ref("Event")]},
        headers={"Idempotency-Key": {**_HEADER, "description": "A request of a key that was seen is stored once."}},
    ),
    f"POST {EVENT_PATH}": Operation("Store an event", array(ref("StoredEvent")), body=ref("Event")),
    **{
        f"POST {EVENT_PATH}/{last}": Operation(
            f"Store an event: {' '.join(filter(None, EVENT_PATHS[last]))}", array(ref("StoredEvent")), body=_kind(last)
        )
        for last in EVENT_PATHS
    },
    f"POST {IDENTIFY_PATH}": Operation(
        "A user, with traits merged in",
        ref("User"),
        body={
            **_given(id=or_null(NAME), device_id=or_null(NAME), traits=or_null(_TRAITS)),
            "anyOf": [{"required": [name], "properties": {name: NAME}} for name in ("id", "device_id")],
        },
    ),
    f"POST {ALIAS_PATH}": Operation(
        "Give a user another id", ref("User"), body=_given("id", "previous_id", id=NAME, previous_id=NAME), others=[404]
    ),
    "GET /bc/v1/user/list": Operation(
        "Users",
        _record(users=array(_record(**_LISTED)), total={"type": "integer"}),
        query={
            "regex": {**TEXTS, "description": "A regular expression that one of a user's ids has to match."},
            "sort": _record(value=TEXTS, order={"enum": ["asc", "desc"]}),
            "sort[value]": TEXTS,
            "sort[order]": {"enum": ["asc", "desc"]},
            **_PAGE,
        },
    ),
    "GET /bc/v1/user/details": Operation(
        "A user with sessions and their events",
        _record(**_LISTED, sessions=array(_record(**_SESSION))),
        query={"user_id": TEXTS, **_PAGE},
        required=["user_id"],
        others=[404],
    ),
    "GET /bc/v1/user/insights": Operation(
        "A user with the conversations that were analysed",
        _record(**_LISTED, conversations=array(_record([name for name in _INSIGHT if name != "duration"], **_INSIGHT))),
        query={"user_id": TEXTS, **_PAGE},
        required=["user_id"],
        others=[404],
    ),
    "GET /bc/v1/user/conversation": Operation(
        "The turns of a conversation",
        array(_record(user=SCALAR, assistant=SCALAR)),
        query={"user_id": TEXTS, "conversation_id": TEXTS, **_PAGE},
        required=["user_id", "conversation_id"],
        others=[404],
    ),
    "GET /bc/v1/user/event": Operation(
        "An event", ref("StoredEvent"), query={"event_id": TEXTS}, required=["event_id"], others=[404]
    ),
    f"GET {ORGKEYS_PATH}": Operation("The keys of the organization", array(_ORGKEY), app=False),
    f"POST {ORGKEYS_PATH}": Operation(
        "Make a key", _ORGKEY, body=_given("organization_id", organization_id=NAME), app=False
    ),
    f"PUT {ORGKEYS_PATH}": Operation(
        "Give a key to an organization",
        _ORGKEY,
        body=_given("organization_id", "apikey", organization_id=NAME, apikey={**_HEADER, "pattern": "^[!-~]+$"}),
        app=False,
    ),
    f"DELETE {ORGKEYS_PATH}": Operation(
        "Take a key no more", ref("Ok"), query={"apikey": TEXTS}, required=["apikey"], app=False, others=[404]
    ),
    f"GET {CLEANUP_PATH}": Operation("Delete everything; asks for the super key", ref("Ok"), app=False),
    **{
        f"GET /bc/v1/db/{name}/{operation}": _find(name, one=operation == "findOne")
        for name in COLLECTIONS
        for operation in ("find", "findOne")
    },
    f"GET {LIVE_PATH}": Operation(
        "The WebSocket of live events, opened with an authorization_key", NULL, app=False, others=[101, 426]
    ),
    "GET /bc/v1/live-events/realtime": Operation(
        "A key for live events", _record(authorization_key=TEXTS, url=TEXTS), query={"session_id": NAME}
    ),
    "GET /bc/v1/live-events/events": Operation(
        "The stored events of a span of time, newest first",
        array(ref("StoredEvent")),
        query={"start": _DATE, "end": _DATE, "limit": _whole(RECENT)},
        required=["start", "end"],
    ),
}
"""Every request that is answered, by method and path."""


@cache
def document() -> dict[str, Any]:
    """The document as it is answered."""
    paths: dict[str, dict[str, Any]] = {}
    for name, operation in OPERATIONS.items():
        method, path = name.split()
        paths.setdefault(path, {})[method.lower()] = _told(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mindlytics local server",
            "version": __version__,
            "description": "Takes events as the Mindlytics service does, keeps them in one file, and answers reads.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "The API key."}},
        },
    }


def _told(operation: Operation) -> dict[str, Any]:
    headers = {**({"X-App-ID": _HEADER} if operation.key and operation.app else {}), **operation.headers}
    parameters = [
        {"name": name, "in": "header", "required": name == "X-App-ID", "schema": schema}
        for name, schema in headers.items()
    ]
    for name, schema in operation.query.items():
        as_text = schema.get("type") in ("string", "integer") or name.endswith("]")
        shape = {"schema": schema} if as_text else {"content": {"application/json": {"schema": schema}}}
        parameters.append({"name": name, "in": "query", "required": name in operation.required, **shape})
    statuses = {*operation.others}
    statuses |= {400, 401, 403} if operation.key else set()
    statuses |= {413} if operation.body is not None else set()
    responses: dict[str, Any] = {} if 101 in statuses else {"200": _response("The answer.", operation.answer)}
    for status in sorted(statuses):
        responses[str(status)] = (
            {"description": "The WebSocket."} if status == 101 else _response(REASONS[status], ref("Error"))
        )
    told: dict[str, Any] = {"summary": operation.summary, "parameters": parameters, "responses": responses}
    if operation.body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    told["security"] = [{"key": []}] if operation.key else []
    return told


def _response(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
