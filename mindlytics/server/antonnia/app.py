"""The HTTP side of the API: routes, the token, bodies in, documents out, errors as ``{"detail": …}``.

``actions.py`` carries the requests out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import orjson
from aiohttp import web
from sqlalchemy import Connection

from ...antonnia.calls import whole
from ...antonnia.exceptions import AntonniaError, AuthenticationError, NotFoundError, ValidationError
from ...antonnia.sessions import LONGEST_DEBOUNCE
from ..apps import App, find_app
from ..http import (
    API_KEY,
    HEADER_RULE,
    STORE,
    SUPER_KEY,
    Handler,
    Problem,
    body_of,
    fits_header,
    key_of,
    logger,
    reply,
    request_key,
    unavailable,
)
from ..idempotency import RequestKey, ReusedKey
from ..records import Records
from ..unavailable import Unavailable
from . import actions
from .desk import Agents, Reply
from .documents import APP_ID, Document, Documents
from .webhooks import WebhookSender

PREFIX = "/conversations/v2"

WEBHOOKS: web.AppKey[WebhookSender] = web.AppKey("webhooks", WebhookSender)
CONVERSATIONS: web.AppKey[web.Application] = web.AppKey("conversations", web.Application)
"""In the server's application, the one of this API."""
AGENTS: web.AppKey[Agents] = web.AppKey("agents", Agents)

STATUSES: Mapping[type[AntonniaError], int] = {AuthenticationError: 401, NotFoundError: 404, ValidationError: 422}


Action = Callable[..., Any]
"""Carries out a request: a function of the documents, the ids of the path by name, and the body."""

READS: Mapping[tuple[str, str], Action] = {
    ("POST", "/sessions/search"): actions.search_sessions,
    ("GET", "/sessions/{session_id}"): actions.get_session,
    ("POST", "/sessions/{session_id}/messages/search"): actions.search_messages,
    ("GET", "/sessions/{session_id}/messages/{message_id}"): actions.get_message,
    ("POST", "/messages/search"): actions.search_messages,
    ("GET", "/sessions/{session_id}/surveys/{survey_id}"): actions.get_survey,
    ("POST", "/agents/search"): actions.search_agents,
    ("GET", "/agents/{agent_id}"): actions.get_agent,
}
WRITES: Mapping[tuple[str, str], Action] = {
    ("POST", "/sessions"): actions.create_session,
    ("PATCH", "/sessions/{session_id}"): actions.update_session,
    ("POST", "/sessions/{session_id}/transfer"): actions.transfer_session,
    ("POST", "/sessions/{session_id}/finish"): actions.finish_session,
    ("POST", "/sessions/{session_id}/schedule"): actions.create_schedule,
    ("POST", "/sessions/{session_id}/messages"): actions.create_message,
    ("PATCH", "/sessions/{session_id}/messages/{message_id}"): actions.update_message,
    ("POST", "/sessions/{session_id}/surveys/{survey_id}/reply"): actions.reply_to_survey,
    ("POST", "/sessions/{session_id}/surveys/{survey_id}/cancel"): actions.cancel_survey,
    ("POST", "/agents"): actions.create_agent,
    ("PATCH", "/agents/{agent_id}"): actions.update_agent,
    ("DELETE", "/agents/{agent_id}"): actions.delete_agent,
}


def create_app(server: web.Application, answer: Reply | str | None, webhook: str | None) -> web.Application:
    """The application, to add to the server's below :data:`PREFIX`.

    :param answer: the answers of agents: a function of a :class:`~.desk.ReplyContext`, or a text.
    :param webhook: the address that receives webhooks.
    """
    app = web.Application(middlewares=[_errors_as_detail])
    app[STORE] = server[STORE]
    app[API_KEY] = server[API_KEY]
    app[SUPER_KEY] = server[SUPER_KEY]
    for (method, path), action in READS.items():
        app.router.add_route(method, path, _reading(action))
    for (method, path), action in WRITES.items():
        app.router.add_route(method, path, _writing(action))
    app.router.add_post("/sessions/{session_id}/reply", _reply)

    async def run(_: web.Application) -> AsyncIterator[None]:
        webhooks = app[WEBHOOKS] = WebhookSender(webhook)
        agents = app[AGENTS] = Agents(server[STORE], answer, webhooks)
        yield
        await agents.close()
        await webhooks.close()

    app.cleanup_ctx.append(run)
    server[CONVERSATIONS] = app
    return app


def drop_webhooks(server: web.Application, session_ids: Iterable[str]) -> None:
    """Drop the webhooks of these sessions that are not posted yet."""
    server[CONVERSATIONS][WEBHOOKS].drop(session_ids)


def _reading(action: Action) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        token, body = await _token(request), _document(await _body(request))

        def read(connection: Connection) -> Any:
            return action(Documents(connection, find_app(connection, token, APP_ID)), body, **request.match_info)

        return reply(await request.app[STORE].read(read))

    return handle


def _writing(action: Action) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        token, body, key = await _written(request)

        def write(records: Records) -> tuple[Any, list[Document]]:
            documents = Documents(records.connection, records.app(token, APP_ID))
            return documents.once(key, lambda: action(documents, body, **request.match_info)), documents.events

        answer, events = await request.app[STORE].write(write)
        request.app[WEBHOOKS].post(events)
        if action is actions.create_schedule:
            request.app[AGENTS].schedule_added()
        if answer is None:
            return web.Response(status=204)
        return reply(answer, 201 if action is actions.create_agent else 200)

    return handle


async def _reply(request: web.Request) -> web.Response:
    token, body, key = await _written(request)
    session_id = request.match_info["session_id"]
    seconds = whole("debounce_time", body.get("debounce_time"), 0, LONGEST_DEBOUNCE)

    def look(connection: Connection) -> tuple[App, str | None]:
        app = find_app(connection, token, APP_ID)
        documents = Documents(connection, app)
        before = documents.answer_to(key)
        if before is None:
            actions.open_session(documents, session_id)
        assert app is not None
        return app, before

    app, before = await request.app[STORE].read(look)
    if before is not None:
        return reply(orjson.loads(before))
    return reply(await request.app[AGENTS].reply(app, session_id, seconds or 0, key))


# -- what all of them share


async def _token(request: web.Request) -> str:
    """The token of a request: a key of the server.

    :raises AuthenticationError: it is missing or rejected.
    """
    try:
        return await key_of(request)
    except Problem as problem:
        raise AuthenticationError(str(problem)) from None


async def _written(request: web.Request) -> tuple[str, Document, RequestKey | None]:
    """The token and the body of a request that changes something, and the key under which its answer is remembered."""
    token, body = await _token(request), await _body(request)
    key = request.headers.get("Idempotency-Key")
    if key is not None and not fits_header(key):
        raise ValidationError(f"Idempotency-Key must be {HEADER_RULE}")
    return token, _document(body), request_key(request, key, body)


async def _body(request: web.Request) -> bytes:
    try:
        return await body_of(request)
    except Problem as problem:
        raise ValidationError(str(problem)) from None


def _document(body: bytes) -> Document:
    try:
        parsed = orjson.loads(body) if body else {}
        orjson.dumps([[[[parsed]]]])  # parts of it go into other objects, and orjson reads deeper than it writes
    except orjson.JSONDecodeError:
        raise ValidationError("the body must be JSON") from None
    except orjson.JSONEncodeError:
        raise ValidationError("the body must not be nested more than 250 deep") from None
    if not isinstance(parsed, dict):
        raise ValidationError(f"the body must be a JSON object, got {type(parsed).__name__}")
    return parsed


@web.middleware
async def _errors_as_detail(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except AntonniaError as error:
        return reply({"detail": error.message}, STATUSES[type(error)])
    except ReusedKey as error:
        return reply({"detail": str(error)}, 422)
    except Unavailable as error:
        response = unavailable(error)
        response.body = orjson.dumps({"detail": str(error)})
        return response
    except web.HTTPException as error:
        response = reply({"detail": f"{request.method} {request.path}: {error.reason}"}, error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        logger.exception("%s failed", request.path)
        return reply({"detail": "the server failed; its log says why"}, 500)
