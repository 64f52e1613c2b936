"""Django: a middleware that sets the current session for each request, in synchronous and asynchronous views.

MIDDLEWARE = [..., "mindlytics.integrations.django.MindlyticsMiddleware"]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.utils.module_loading import import_string

from .web import Visit, Visits


class MindlyticsMiddleware:
    """Sets the current session while a request is served, including its streamed body.

    Requests with the same session id share a session. A request without an id gets its own, which ends with it. The
    setting ``MINDLYTICS`` is a dict with the optional keys ``client``, ``session_id``, ``user_id``, ``header`` and
    ``cookie``. The first three may be dotted paths. ``session_id`` and ``user_id`` are functions of the request.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self.get_response = get_response
        chosen = dict(getattr(settings, "MINDLYTICS", None) or {})
        for name in ("client", "session_id", "user_id"):
            if isinstance(chosen.get(name), str):
                chosen[name] = import_string(chosen[name])
        self._visits = Visits(**chosen)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        if self._is_async:
            return self._serve(request)
        with self._visit(request) as visit:
            return _streamed(self.get_response(request), visit)

    async def _serve(self, request: Any) -> object:
        with self._visit(request) as visit:
            return _streamed(await self.get_response(request), visit)

    def _visit(self, request: Any) -> Visit:
        return self._visits.visit(request, request.headers.get, request.COOKIES.get)


def _streamed(response: Any, visit: Visit) -> Any:
    if visit.session is not None and getattr(response, "streaming", False):
        is_async = bool(getattr(response, "is_async", False))
        response.streaming_content = visit.streamed(response.streaming_content, is_async=is_async)
    return response
