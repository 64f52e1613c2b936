"""ASGI apps (FastAPI, Starlette, Litestar, Quart …): a middleware that makes the session of each request current.

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

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class MindlyticsMiddleware:
    """Makes a session the current one while a request is served, its streamed body and background tasks included.

    Requests of the same session id, by HTTP or a WebSocket, share a session. Without an id, each has one of its own,
    which ends with it. Nothing is awaited but the app.

    :param app: the ASGI app.
    :param client: makes the sessions; default one of the environment's settings. Without any, nothing is current.
    :param session_id: a function of the ASGI scope that gives the session's id; default by header and cookie.
    :param user_id: a function of the ASGI scope that gives the user's id, or None.
    :param header: the name of the header that holds the session's id.
    :param cookie: the name of the cookie that holds it.
    """

    def __init__(
        self,
        app: App,
        *,
        client: Client | AsyncClient | None = None,
        session_id: Find | None = None,
        user_id: Find | None = None,
        header: str = HEADER,
        cookie: str = COOKIE,
    ) -> None:
        self.app = app
        self._visits = Visits(client, session_id, user_id, header, cookie)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = quiet(_headers)(scope) or {}
        cookies: Any = SimpleCookie()
        quiet(cookies.load)(headers.get("cookie", ""))

        def cookie(name: str) -> str | None:
            return cookies[name].value if name in cookies else None

        with self._visits.visit(scope, lambda name: headers.get(name.lower()), cookie):
            await self.app(scope, receive, send)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
