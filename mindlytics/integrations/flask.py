"""Flask: sets the current session for each request.

from mindlytics.integrations.flask import Mindlytics

Mindlytics(app)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g, request

from .quiet import quiet
from .web import COOKIE, HEADER, Find, Visits

if TYPE_CHECKING:
    from flask import Flask, Request, Response

    from .. import AsyncClient, Client


class Mindlytics:
    """Sets the current session while a request is served, including its streamed body.

    Requests with the same session id share a session. A request without an id gets its own, which ends with it.

    :param app: the app. You may call :meth:`init_app` later instead.
    :param client: makes the sessions. Default: a client with the environment's settings. Without either, there is no
        current session.
    :param session_id: a function of the request that returns the session's id. Default: from header or cookie.
    :param user_id: a function of the request that returns the user's id, or None.
    :param header: the name of the header with the session's id.
    :param cookie: the name of the cookie with the session's id.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        client: Client | AsyncClient | None = None,
        session_id: Find[Request] | None = None,
        user_id: Find[Request] | None = None,
        header: str = HEADER,
        cookie: str = COOKIE,
    ) -> None:
        self._visits = Visits(client, session_id, user_id, header, cookie)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add it to an app."""
        app.before_request(quiet(self._begin))
        app.after_request(self._after)
        app.teardown_request(quiet(self._end))

    def _begin(self) -> None:
        visit = self._visits.visit(request, request.headers.get, request.cookies.get)
        visit.__enter__()
        g._mindlytics = [*g.get("_mindlytics", ()), visit]

    def _after(self, response: Response) -> Response:
        self._stream(response)
        return response

    @quiet
    def _stream(self, response: Response) -> None:
        visits = g.get("_mindlytics")
        if visits and visits[-1].session is not None and response.is_streamed and not response.direct_passthrough:
            response.response = visits[-1].streamed(response.response)

    def _end(self, _: object) -> None:
        visits = g.get("_mindlytics")
        if visits:
            visits.pop().__exit__(None, None, None)
