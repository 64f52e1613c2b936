"""The HTTP side of the API: routes, the token, bodies in, documents out, errors as ``{"detail": …}``.

``actions.py`` carries the requests out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import orjson
from aiohttp import web
from attrs import frozen
from sqlalchemy import Connection

from ...antonnia.exceptions import AntonniaError, AuthenticationError, NotFoundError, ValidationError
from ..apps import App, find_app
from ..database import RefusedText
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
from ..query import InvalidQuery
from ..records import Records
from ..routes import Route
from ..typed import Invalid, read
from ..unavailable import Unavailable
from . import actions
from .desk import Agents, Reply
from .documents import APP_ID, Document, Documents
from .shapes import ReplyRequest, Session
from .webhooks import WebhookSender

PREFIX = "/conversations/v2"

WEBHOOKS: web.AppKey[WebhookSender] = web.AppKey("webhooks", WebhookSender)
CONVERSATIONS: web.AppKey[web.Application] = web.AppKey("conversations", web.Application)
"""In the server's application, the one of this API."""
AGENTS: web.AppKey[Agents] = web.AppKey("agents", Agents)

T = TypeVar("T")

REFUSALS = (401, 404, 413, 422)
STATUSES: Mapping[type[AntonniaError], int] = {AuthenticationError: 401, NotFoundError: 404, ValidationError: 422}


class Detail(TypedDict):
    """What is wrong."""

    detail: str


@frozen
class _Read(Route):
    """A request that changes nothing. Its function takes the documents, the body, and the ids of the path."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        token = await _token(request)
        work = self._work(await _body(request), request.match_info)

        def read(connection: Connection) -> Any:
            return work(Documents(connection, find_app(connection, token, APP_ID)))

        return reply(await request.app[STORE].read(read))

    def _work(self, body: bytes, ids: Mapping[str, str]) -> Callable[[Documents], Any]:
        """What the function does with a body.

        :raises ValidationError: the body breaks a rule.
        """
        asked = {"body": _as(self.hints["body"], body)} if "body" in self.hints else {}
        return lambda documents: self.function(documents, **asked, **ids)


@frozen
class _Write(_Read):
    """A request that changes something. Repeating it under the same key has no further effect."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        token, body = await _token(request), await _body(request)
        key = _key(request, body)
        work = self._work(body, request.match_info)

        def write(records: Records) -> tuple[Any, list[Document]]:
            documents = Documents(records.connection, records.app(token, APP_ID))
            return documents.once(key, lambda: work(documents)), documents.events

        answer, events = await request.app[STORE].write(write)
        request.app[WEBHOOKS].post(events)
        if self.function is actions.create_schedule:
            request.app[AGENTS].schedule_added()
        return web.Response(status=self.status) if answer is None else reply(answer, self.status)


async def reply_in_session(request: web.Request, caller: str) -> web.Response:
    """Have the agent answer."""
    body = await _body(request)
    key = _key(request, body)
    session_id = request.match_info["session_id"]
    seconds = _as(ReplyRequest, body).debounce_time or 0

    def look(connection: Connection) -> tuple[App, str | None]:
        app = find_app(connection, caller, APP_ID)
        documents = Documents(connection, app)
        before = documents.answer_to(key)
        if before is None:
            actions.open_session(documents, session_id)
        assert app is not None
        return app, before

    app, before = await request.app[STORE].read(look)
    if before is not None:
        return reply(orjson.loads(before))
    return reply(await request.app[AGENTS].reply(app, session_id, seconds, key))


def create_app(server: web.Application, answer: Reply | str | None, webhook: str | None) -> web.Application:
    """The application, to add to the server's below :data:`PREFIX`.

    :param answer: the answers of agents: a function of a :class:`~.desk.ReplyContext`, or a text.
    :param webhook: the address that receives webhooks.
    """
    app = web.Application(middlewares=[_errors_as_detail])
    app[STORE] = server[STORE]
    app[API_KEY] = server[API_KEY]
    app[SUPER_KEY] = server[SUPER_KEY]
    for route in ROUTES:
        app.router.add_route(route.method, route.path.removeprefix(PREFIX), route.respond)

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


# -- what all of them share


async def _token(request: web.Request) -> str:
    """The token of a request: a key of the server.

    :raises AuthenticationError: it is missing or rejected.
    """
    try:
        return await key_of(request)
    except Problem as problem:
        raise AuthenticationError(str(problem)) from None


def _key(request: web.Request, body: bytes) -> RequestKey | None:
    """The key under which the answer to a request is remembered, if there is one."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not fits_header(key):
        raise ValidationError(f"Idempotency-Key must be {HEADER_RULE}")
    return request_key(request, key, body)


def _as(kind: type[T], body: bytes) -> T:
    """A body by its type. No body is the same as an empty object.

    :raises ValidationError: it breaks a rule.
    """
    try:
        return read(kind, _document(body))
    except Invalid as error:
        raise ValidationError(str(error)) from None


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
    except (ReusedKey, RefusedText, InvalidQuery) as error:
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


# -- the routes


def _route(kind: type[Route], method: str, path: str, function: Callable[..., Any], **options: Any) -> Route:
    key = kind is not _Read
    return kind(
        method, PREFIX + path, function, credentials=_token, key=key, error=Detail, refusals=REFUSALS, **options
    )


SESSION = "/sessions/{session_id}"
ROUTES: Sequence[Route] = (
    _route(_Write, "POST", "/sessions", actions.create_session),
    _route(_Read, "POST", "/sessions/search", actions.search_sessions),
    _route(_Read, "GET", SESSION, actions.get_session),
    _route(_Write, "PATCH", SESSION, actions.update_session),
    _route(_Write, "POST", f"{SESSION}/transfer", actions.transfer_session),
    _route(_Write, "POST", f"{SESSION}/finish", actions.finish_session),
    _route(Route, "POST", f"{SESSION}/reply", reply_in_session, body=ReplyRequest, answer=Session),
    _route(_Write, "POST", f"{SESSION}/schedule", actions.create_schedule),
    _route(_Write, "POST", f"{SESSION}/messages", actions.create_message),
    _route(_Read, "POST", f"{SESSION}/messages/search", actions.search_messages),
    _route(_Read, "GET", f"{SESSION}/messages/{{message_id}}", actions.get_message),
    _route(_Write, "PATCH", f"{SESSION}/messages/{{message_id}}", actions.update_message),
    _route(_Read, "POST", "/messages/search", actions.search_all_messages),
    _route(_Read, "GET", f"{SESSION}/surveys/{{survey_id}}", actions.get_survey),
    _route(_Write, "POST", f"{SESSION}/surveys/{{survey_id}}/reply", actions.reply_to_survey),
    _route(_Write, "POST", f"{SESSION}/surveys/{{survey_id}}/cancel", actions.cancel_survey),
    _route(_Write, "POST", "/agents", actions.create_agent, status=201),
    _route(_Read, "GET", "/agents/{agent_id}", actions.get_agent),
    _route(_Write, "PATCH", "/agents/{agent_id}", actions.update_agent),
    _route(_Write, "DELETE", "/agents/{agent_id}", actions.delete_agent, status=204),
    _route(_Read, "POST", "/agents/search", actions.search_agents),
)
