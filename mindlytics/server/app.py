"""The HTTP side of the local server: routes, credentials, bodies in, JSON out, errors as JSON.

What is stored and read is in ``store.py`` and ``find.py``; the server that listens is in ``run.py``.
"""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from ..errors import InvalidEvent
from ..events import Event, check_name
from ..wire.mindlytics import ALIAS_PATH, IDENTIFY_PATH, QUEUE_PATH, decode
from .find import COLLECTIONS, find, parse
from .query import InvalidQuery
from .records import Records, find_app
from .store import RefusedEvent, Store
from .users import UnknownUser, alias, identify

MAX_BODY = 1024 * 1024
"""Bytes; a longer body is answered with 413."""

MAX_HEADER = 255
"""Characters of a key, an app id or an Idempotency-Key."""

EVENT_PATH = "/bc/v1/events/event"
EVENT_PATHS: dict[str, tuple[str, str | None]] = {
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

STORE: web.AppKey[Store] = web.AppKey("store", Store)
API_KEY: web.AppKey[str] = web.AppKey("api_key", str)

logger = logging.getLogger("mindlytics.server")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Caller(NamedTuple):
    """On whose behalf a request comes."""

    api_key: str
    app_id: str


class Problem(Exception):
    """A request is answered with an error.

    :param status: the HTTP status.
    :param error: the kind of error, in a word or two.
    :param details: further members of the JSON body.
    """

    def __init__(self, status: int, error: str, message: str, **details: object) -> None:
        self.status = status
        self.body = {"error": error, "message": message, **details}
        super().__init__(message)


def create_app(store: Store, *, api_key: str | None = None) -> web.Application:
    """The application over a store.

    :param api_key: the one key that is taken; None: any.
    """
    app = web.Application(middlewares=[_errors_as_json], client_max_size=2 * MAX_BODY)
    app[STORE] = store
    app[API_KEY] = api_key or ""
    app.router.add_get("/", _root)
    app.router.add_get("/healthz", _health)
    app.router.add_post(QUEUE_PATH, _queue)
    app.router.add_post(EVENT_PATH, _event)
    for last in EVENT_PATHS:
        app.router.add_post(f"{EVENT_PATH}/{last}", _event)
    app.router.add_post(IDENTIFY_PATH, _user_identify)
    app.router.add_post(ALIAS_PATH, _user_alias)
    app.router.add_get("/bc/v1/db/{collection}/{operation}", _find)
    return app


# -- events


async def _queue(request: web.Request) -> web.Response:
    caller = _caller(request)
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        _checked_header("Idempotency-Key", key)
    given = await _body(request)
    events = _decoded(given if isinstance(given, list) else [given])
    if events:
        await request.app[STORE].ingest(caller.api_key, caller.app_id, events, key=key)
    return _json({"status": "ok"})


async def _event(request: web.Request) -> web.Response:
    caller = _caller(request)
    given = await _body(request)
    last = request.path.rpartition("/")[2]
    if last in EVENT_PATHS and isinstance(given, dict):
        event_type, name = EVENT_PATHS[last]
        if given.get("type") != event_type:
            raise InvalidEvent("type", f"{event_type} on this path", given.get("type"))
        if name is not None and given.get("event") != name:
            raise InvalidEvent("event", f"{name} on this path", given.get("event"))
    app, stored = await request.app[STORE].ingest(caller.api_key, caller.app_id, [_decode(given)])
    return _json([event.to_json(app) for event in stored])


def _decoded(given: list[object]) -> list[Event]:
    events = []
    for index, item in enumerate(given):
        try:
            events.append(_decode(item))
        except InvalidEvent as error:
            raise RefusedEvent(index, error) from None
    return events


def _decode(given: object) -> Event:
    if isinstance(given, dict) and not isinstance(given.get("type"), (str, type(None))):
        raise InvalidEvent("type", "a str", given["type"])
    return decode(given)


# -- users


async def _user_identify(request: web.Request) -> web.Response:
    caller = _caller(request)
    given = await _object(request)
    name, device_id = given.get("id"), given.get("device_id")
    for field, value in (("id", name), ("device_id", device_id)):
        if value is not None:
            check_name(field, value)
    traits = given.get("traits") or {}
    decode({"type": "identify", "session_id": "-", "traits": traits})

    def work(records: Records) -> dict[str, Any]:
        app = records.app(*caller)
        return identify(records, app.scope, name=name, device_id=device_id, traits=traits).to_json(app)

    return _json(await request.app[STORE].write(work))


async def _user_alias(request: web.Request) -> web.Response:
    caller = _caller(request)
    given = await _object(request)
    name = check_name("id", given.get("id"))
    previous = check_name("previous_id", given.get("previous_id"))

    def work(records: Records) -> dict[str, Any]:
        app = records.app(*caller)
        return alias(records, app.scope, name=name, previous=previous).to_json(app)

    return _json(await request.app[STORE].write(work))


# -- reads


async def _find(request: web.Request) -> web.Response:
    caller = _caller(request)
    name, operation = request.match_info["collection"], request.match_info["operation"]
    if name not in COLLECTIONS:
        raise Problem(404, "not found", f"there is no collection {name}; there are {', '.join(COLLECTIONS)}")
    if operation not in ("find", "findOne"):
        raise Problem(404, "not found", f"there is no operation {operation}; there are find and findOne")
    one = operation == "findOne"
    query = parse(name, {**request.query, "limit": "1"} if one else request.query)

    def read(connection: sqlite3.Connection) -> bytes:
        app = find_app(connection, *caller)
        rows = find(connection, app, query) if app is not None else []
        return orjson.dumps((rows[0] if rows else None) if one else rows)

    return web.Response(body=await request.app[STORE].read(read), content_type="application/json")


async def _root(_: web.Request) -> web.Response:
    try:
        number = version("mindlytics")
    except PackageNotFoundError:
        number = "unknown"
    return _json({"name": "mindlytics local server", "version": number})


async def _health(_: web.Request) -> web.Response:
    return _json({"status": "ok"})


# -- what all of them share


def _caller(request: web.Request) -> Caller:
    """The credentials of a request.

    :raises Problem: 401 where one is missing, 403 where the key is not the one that is taken.
    """
    given = request.headers.get("Authorization", "").strip()
    api_key = given[7:].strip() if given[:7].lower() == "bearer " else given
    app_id = request.headers.get("X-App-ID", "").strip()
    if not api_key or api_key.lower() == "bearer":
        raise Problem(401, "unauthorized", "the header Authorization must hold an API key")
    if not app_id:
        raise Problem(401, "unauthorized", "the header X-App-ID must hold a project id")
    _checked_header("Authorization", api_key)
    _checked_header("X-App-ID", app_id)
    pinned = request.app[API_KEY]
    if pinned and not hmac.compare_digest(pinned.encode(), api_key.encode()):
        raise Problem(403, "forbidden", "this server takes another API key")
    return Caller(api_key, app_id)


def _checked_header(name: str, value: str) -> None:
    if not 0 < len(value) <= MAX_HEADER or not value.isprintable():
        raise Problem(400, "invalid header", f"{name} must be 1 to {MAX_HEADER} printable characters", field=name)


async def _body(request: web.Request) -> object:
    body = await request.read()
    if len(body) > MAX_BODY:  # aiohttp's own limit is one byte lower in some of its versions
        raise web.HTTPRequestEntityTooLarge(MAX_BODY, len(body))
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "invalid JSON", f"the body is no JSON: {error}") from None


async def _object(request: web.Request) -> dict[str, Any]:
    given = await _body(request)
    if not isinstance(given, dict):
        raise InvalidEvent("body", "a JSON object", given)
    return given


def _json(told: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(told), status=status, content_type="application/json")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return _json(problem.body, problem.status)
    except RefusedEvent as refused:
        cause = refused.cause
        message = f"event {refused.index}: {cause}"
        body = {"error": "invalid event", "index": refused.index, "field": cause.field, "message": message}
        return _json(body, 400)
    except InvalidEvent as error:
        return _json({"error": "invalid event", "field": error.field, "message": str(error)}, 400)
    except InvalidQuery as error:
        return _json({"error": "invalid query", "field": error.parameter, "message": str(error)}, 400)
    except UnknownUser as error:
        return _json({"error": "not found", "field": "previous_id", "message": str(error)}, 404)
    except web.HTTPRequestEntityTooLarge:
        return _json({"error": "too large", "message": f"the body must be at most {MAX_BODY} bytes"}, 413)
    except web.HTTPException as error:
        message = f"{request.method} {request.path}: {error.reason}"
        response = _json({"error": error.reason.lower(), "message": message}, error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        logger.exception("%s failed", request.path)
        return _json({"error": "internal error", "message": "the server failed; its log says why"}, 500)
