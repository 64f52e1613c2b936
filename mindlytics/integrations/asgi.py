"""ASGI apps (FastAPI, Starlette, Litestar, Quart …): a middleware that sets the current session for each request.

from mindlytics.integrations.asgi import MindlyticsMiddleware

app.add_middleware(MindlyticsMiddleware)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

from .quiet import quiet
from .web import COOKIE, HEADER, Find, Visits

if TYPE_CHECKING:
    from .. import AsyncClient, Client

Message = MutableMapping[str, Any]
Scope = Message
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class MindlyticsMiddleware:
    """Sets the current session while a request is served, including its streamed body and background tasks.

    Requests with the same session id, by HTTP or a WebSocket, share a session. A request without an id gets its own,
    which ends with it. The middleware awaits only the app.

    :param app: the ASGI app.
    :param client: makes the sessions. Default: a client with the environment's settings. Without either, there is no
        current session.
    :param session_id: a function of the ASGI scope that returns the session's id. Default: from header or cookie.
    :param user_id: a function of the ASGI scope that returns the user's id, or None.
    :param header: the name of the header with the session's id.
    :param cookie: the name of the cookie with the session's id.
    """

    def __init__(
        self,
        app: App,
        *,
        client: Client | AsyncClient | None = None,
        session_id: Find[Scope] | None = None,
        user_id: Find[Scope] | None = None,
        header: str = HEADER,
        cookie: str = COOKIE,
    ) -> None:
        self.app = app
        self._visits = Visits(client, session_id, user_id, header, cookie)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = quiet(_headers)(scope) or {}
        cookies: SimpleCookie = SimpleCookie()
        quiet(cookies.load)(headers.get("cookie", ""))

        def cookie(name: str) -> str | None:
            return cookies[name].value if name in cookies else None

        with self._visits.visit(scope, lambda name: headers.get(name.lower()), cookie):
            await self.app(scope, receive, send)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
