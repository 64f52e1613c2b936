"""The local server's side of Align AI: ``CollectEvents`` of Connect, in protobuf and in JSON.

Its sessions, users and messages become those of the local server: a session has one conversation of the same id, each
message is a turn of one side, and feedback is a custom event. ``sessions.py`` applies these events.
"""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from attrs import frozen
from msgspec import Meta, Struct
from sqlalchemy import Text, literal, or_, select

from ..align.events import (
    DEFAULT_ASSISTANT_ID,
    ROLE_USER,
    ROLES,
    AlignEvent,
    FeedbackCreate,
    MessageCreate,
    SessionClose,
    SessionOpen,
    UserRecognize,
)
from ..align.settings import COLLECT_PATH
from ..annotations import NotRequired, TypedDict
from ..errors import InvalidEvent, ValidationError
from ..events import FEEDBACK, ConversationTurn, CustomEvent, EndSession, Event, StartSession
from ..values import Scalar
from .decoding import RefusedEvent, taken
from .dialects import json_string
from .http import (
    BODY_SECONDS,
    MAX_BODY,
    STORE,
    Problem,
    body_of,
    check_header,
    key_of,
    reply,
    request_key,
    unavailable,
)
from .idempotency import ReusedKey, remember
from .kept_out import stays_out
from .parameters import MAX_HEADER, Object, named
from .records import Records
from .routes import Route
from .schema import events as event_rows
from .sessions import apply
from .unavailable import Unavailable
from .users import identify

PROTOBUF, JSON = "application/proto", "application/json"

CODES = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    408: "deadline_exceeded",
    413: "resource_exhausted",
    415: "invalid_argument",
    422: "invalid_argument",
    501: "unimplemented",
    503: "unavailable",
}
"""Connect's names for a status."""


class AlignError(TypedDict):
    """What is wrong: Connect's name of the status, words, and for an event its place, field and rule."""

    code: str
    message: str
    field: NotRequired[str]
    rule: NotRequired[str]
    index: NotRequired[int]


class CollectResponse(TypedDict):
    """Nothing more is said."""


class CollectRequest(Struct, rename="camel"):
    """Events of one or more projects."""

    request_id: Annotated[str, Meta(max_length=MAX_HEADER)] = ""
    events: list[Annotated[Object, named("align.Event")]] = []


@frozen
class _Collect(Route):
    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, with Connect's errors."""
        try:
            return await super().respond(request)
        except Problem as problem:
            answer = {"code": CODES[problem.status], **problem.body}
            del answer["error"]
            return reply(answer, problem.status)
        except ReusedKey as error:
            return reply({"code": CODES[422], "message": str(error)}, 422)
        except web.HTTPRequestEntityTooLarge:
            return reply({"code": CODES[413], "message": f"the body must be at most {MAX_BODY} bytes"}, 413)
        except web.HTTPRequestTimeout:
            return reply({"code": CODES[408], "message": f"the body did not come within {BODY_SECONDS} seconds"}, 408)
        except Unavailable as error:
            return unavailable(error, code=CODES[503])
        except RefusedEvent as refused:
            cause = refused.cause
            message = f"event {refused.index}: {cause}"
            answer = {"code": CODES[400], "message": message, "field": cause.field, "rule": cause.rule}
            return reply({**answer, "index": refused.index}, 400)


async def collect(request: web.Request, caller: str) -> web.Response:
    """Store events of Align AI, all or none."""
    if request.content_type not in (PROTOBUF, JSON):
        raise Problem(415, "unsupported", f"Content-Type must be {PROTOBUF} or {JSON}")
    try:
        from ..align import wire  # noqa: PLC0415  only this needs protobuf, which may be missing
    except ImportError:
        raise Problem(501, "no protobuf", "protobuf is not installed: pip install 'mindlytics[align]'") from None
    body = await body_of(request)
    try:
        request_id, messages = wire.decode_request(body, as_json=request.content_type == JSON)
    except wire.Undecodable as error:
        raise Problem(400, "undecodable", str(error)) from None
    key = request.headers.get("Idempotency-Key") or request_id  # the service's own client sends only the latter
    if key:
        check_header("request_id", key)
    once = request_key(request, key or None, body)
    projects: dict[str, list[tuple[int, AlignEvent]]] = {}
    for index, message in enumerate(messages):
        try:
            if not 0 < len(message.project_id) <= MAX_HEADER:
                raise ValidationError("project_id", f"a str of 1 to {MAX_HEADER} characters", message.project_id)
            projects.setdefault(message.project_id, []).append((index, wire.decode(message)))
        except ValidationError as error:
            raise RefusedEvent(index, error) from None

    def work(records: Records) -> None:
        for project_id, events in projects.items():
            app = records.app(caller, project_id)
            if once is None or remember(records.connection, app.scope, once):
                _store(records, app.scope, events)

    await request.app[STORE].write(work)
    return reply({}) if request.content_type == JSON else web.Response(content_type=PROTOBUF)


def _store(records: Records, scope: int, events: list[tuple[int, AlignEvent]]) -> None:
    indexes: dict[str, set[int]] = {}
    for index, event in events:
        try:
            if isinstance(event, UserRecognize):
                if not stays_out(records, scope, [event.user_id]):
                    identify(records, scope, name=event.user_id, device_id=None, traits=_traits(event))
            elif isinstance(event, MessageCreate):
                if event.session_id not in indexes:
                    indexes[event.session_id] = _indexes(records, scope, event.session_id)
                if event.message_index in indexes[event.session_id]:
                    raise ValidationError("message_index", "another than the session has", event.message_index)
                indexes[event.session_id].add(event.message_index)
                apply(records, scope, taken(_as_event(event)), message_index=event.message_index)
            else:
                apply(records, scope, taken(_as_event(event)))
        except InvalidEvent as error:
            raise RefusedEvent(index, error) from error


def _indexes(records: Records, scope: int, session_id: str) -> set[int]:
    """The indexes of messages in earlier requests.

    A conversation may hold turns of Mindlytics too. Those with both texts are no such messages, and take no index.
    """
    session = records.session(scope, session_id)
    conversation = None if session is None else records.conversation(session, session_id)
    if conversation is None:
        return set()
    row = event_rows.c
    of_it = (row.session == conversation.session, row.conversation == conversation.seq, row.message_index.is_not(None))
    is_one_message = or_(*(json_string(row.properties, literal(role, Text())) == "" for role in ROLES))
    return set(records.connection.execute(select(row.message_index).where(*of_it, is_one_message)).scalars())


def _as_event(event: AlignEvent) -> Event:
    if isinstance(event, SessionOpen):
        assistant = {} if event.assistant_id in ("", DEFAULT_ASSISTANT_ID) else {"assistant_id": event.assistant_id}
        return StartSession(
            session_id=event.session_id,
            timestamp=event.timestamp,
            id=event.user_id,
            attributes={**assistant, **event.custom_properties},
        )
    assert isinstance(event, (SessionClose, MessageCreate, FeedbackCreate))
    shared: dict[str, Any] = {
        "session_id": event.session_id,
        "timestamp": event.timestamp,
        "device_id": f"align:{event.session_id}",  # for an unopened session
    }
    if isinstance(event, SessionClose):
        return EndSession(**shared)
    if isinstance(event, FeedbackCreate):
        properties: dict[str, Scalar] = {"feedback": event.feedback_type}
        if event.message_index is not None:
            properties["message_index"] = event.message_index
        return CustomEvent(event=FEEDBACK, properties=properties, **shared)
    by_user = event.role == ROLE_USER
    return ConversationTurn(
        conversation_id=event.session_id,
        user=event.content if by_user else "",
        assistant="" if by_user else event.content,
        properties=event.custom_properties,
        **shared,
    )


def _traits(event: UserRecognize) -> dict[str, Scalar]:
    fields = {
        "display_name": event.display_name,
        "email": event.email,
        "ip": event.ip,
        "country_code": event.country_code,
        "create_time": None if event.create_time is None else event.create_time.isoformat(),
    }
    return {**{name: value for name, value in fields.items() if value is not None}, **event.custom_properties}


ROUTES = (
    _Collect(
        "POST",
        COLLECT_PATH,
        collect,
        credentials=key_of,
        error=AlignError,
        body=CollectRequest,
        answer=CollectResponse,
        media=[PROTOBUF],
        key=True,
        others=[415, 422, 501],
    ),
)
