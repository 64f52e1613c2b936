"""The routes that record: events, and users by themselves. ``sessions.py`` and ``users.py`` apply what they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct, json

from ..errors import InvalidEvent
from ..events import (
    EVENT_TYPES,
    ConversationFunction,
    ConversationTurn,
    ConversationUsage,
    EndConversation,
    Identify,
    StartConversation,
)
from ..wire import ALIAS_PATH, IDENTIFY_PATH, QUEUE_PATH, decode
from .analysis.background import BACKGROUND
from .apps import App
from .collection import StoredEvent, StoredUser
from .decoding import one_by_one, quick, taken
from .http import STORE, Caller, body_of, check_header, json_body, json_of, request_key
from .kept_out import stays_out
from .parameters import Name, Object, Traits, named, ref
from .records import Records, User
from .routes import OK, Ok, Route
from .schema import now
from .users import alias, identify

EVENT_PATH = "/bc/v1/events/event"
EVENT_PATHS: Mapping[str, tuple[str, str | None]] = {
    "identify": ("identify", None),
    "alias": ("alias", None),
    "start-session": ("start_session", None),
    "end-session": ("end_session", None),
    "track": ("track", None),
    "start-conversation": ("track", StartConversation.event),
    "end-conversation": ("track", EndConversation.event),
    "conversation-turn": ("track", ConversationTurn.event),
    "conversation-usage": ("track", ConversationUsage.event),
    "conversation-function": ("track", ConversationFunction.event),
}
"""The last part of the path of a single event, with its ``type`` and ``event``."""

AnyEvent = Annotated[Object, named("Event")]


async def queue(request: web.Request, caller: Caller) -> Ok:
    """Store events, all or none."""
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        check_header("Idempotency-Key", key)
    body = await body_of(request)
    events = quick(body)
    if events is None:
        events = one_by_one(json_of(body))
    if events:
        await request.app[STORE].ingest(*caller, events, key=request_key(request, key, body))
    return OK


async def event(request: web.Request, caller: Caller) -> list[StoredEvent]:
    """Store an event."""
    body = await json_body(request)
    last = request.path.rpartition("/")[2]
    if last in EVENT_PATHS and isinstance(body, dict):
        event_type, name = EVENT_PATHS[last]
        if body.get("type") != event_type:
            raise InvalidEvent("type", f"{event_type} on this path", body.get("type"))
        if name is not None and body.get("event") != name:
            raise InvalidEvent("event", f"{name} on this path", body.get("event"))
    app, stored = await request.app[STORE].ingest(*caller, [taken(decode(body))])
    if BACKGROUND in request.app:
        stored += await request.app[BACKGROUND].findings(stored)
    return [event.to_json(app) for event in stored]


def _kind(event_type: str, name: str | None) -> Any:
    """The type of the events that a path accepts."""
    kinds = [kind for kind in EVENT_TYPES if kind.type == event_type and name in (None, kind.event)]
    return Annotated[Object, Meta(extra_json_schema={"oneOf": [ref(kind.__name__) for kind in kinds]})]


# -- users


class IdentifyRequest(Struct):
    """A user, by an id or a device."""

    id: Name | None = None
    device_id: Name | None = None
    traits: Annotated[Any, Meta(extra_json_schema=json.schema(Traits | None))] = None


OneUser = Annotated[
    IdentifyRequest,
    Meta(
        extra_json_schema={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("id", "device_id")]
        }
    ),
]


class AliasRequest(Struct):
    """A user's id, and another that the user has from now on."""

    id: Name
    previous_id: Name


async def identify_user(request: web.Request, caller: Caller, body: OneUser) -> StoredUser:
    """A user, with traits merged in."""
    event = decode(
        {"type": "identify", "session_id": "-", "id": body.id, "device_id": body.device_id, "traits": body.traits}
    )
    assert isinstance(event, Identify)

    def work(records: Records) -> dict[str, object]:
        app = records.app(*caller)
        if stays_out(records, app.scope, [event.id] if event.id is not None else [], event.device_id):
            return _unstored(app, event.id or "")
        user = identify(records, app.scope, name=event.id, device_id=event.device_id, traits=event.traits)
        return user.to_json(app)

    return await request.app[STORE].write(work)


async def alias_user(request: web.Request, caller: Caller, body: AliasRequest) -> StoredUser:
    """Give a user another id."""

    def work(records: Records) -> dict[str, object]:
        app = records.app(*caller)
        if stays_out(records, app.scope, [body.id, body.previous_id]):
            return _unstored(app, body.id)
        return alias(records, app.scope, name=body.id, previous=body.previous_id).to_json(app)

    return await request.app[STORE].write(work)


def _unstored(app: App, name: str) -> dict[str, object]:
    """The answer about a person who is forgotten, and not stored."""
    return User(0, app.scope, name, name, 0, [name], now(), {}).to_json(app)


ROUTES = (
    Route("POST", QUEUE_PATH, queue, body=list[AnyEvent] | AnyEvent, key=True, others=[422]),
    Route("POST", EVENT_PATH, event, body=AnyEvent),
    *(
        Route(
            "POST",
            f"{EVENT_PATH}/{last}",
            event,
            body=_kind(*kind),
            title=f"Store an event: {' '.join(filter(None, kind))}",
        )
        for last, kind in EVENT_PATHS.items()
    ),
    Route("POST", IDENTIFY_PATH, identify_user),
    Route("POST", ALIAS_PATH, alias_user, others=[404]),
)
