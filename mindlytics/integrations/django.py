"""Django: a middleware that sets the current session for each request, in synchronous and asynchronous views.

MIDDLEWARE = [..., "mindlytics.integrations.django.MindlyticsMiddleware"]
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.utils.module_loading import import_string

from .web import Visit, Visits

if TYPE_CHECKING:
    from django.http import HttpRequest, StreamingHttpResponse
    from django.http.response import HttpResponseBase


class MindlyticsMiddleware:
    """Sets the current session while a request is served, including its streamed body.

    Requests with the same session id share a session. A request without an id gets its own, which ends with it. The
    setting ``MINDLYTICS`` is a dict with the optional keys ``client``, ``session_id``, ``user_id``, ``header`` and
    ``cookie``. The first three may be dotted paths. ``session_id`` and ``user_id`` are functions of the request.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        chosen = dict(getattr(settings, "MINDLYTICS", None) or {})
        for name in ("client", "session_id", "user_id"):
            if isinstance(chosen.get(name), str):
                chosen[name] = import_string(chosen[name])
        self._visits = Visits["HttpRequest"](**chosen)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._serve(request)
        with self._visit(request) as visit:
            response = cast("HttpResponseBase", self.get_response(request))
            _stream(response, visit)
            return response

    async def _serve(self, request: HttpRequest) -> HttpResponseBase:
        with self._visit(request) as visit:
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
            _stream(response, visit)
            return response

    def _visit(self, request: HttpRequest) -> Visit:
        return self._visits.visit(request, request.headers.get, request.COOKIES.get)


def _stream(response: HttpResponseBase, visit: Visit) -> None:
    """Keep the session current while the body is made."""
    is_file = getattr(response, "file_to_stream", None) is not None  # which the server may send by itself
    if visit.session is None or is_file or not getattr(response, "streaming", False):
        return
    streaming = cast("StreamingHttpResponse", response)
    pieces = streaming.streaming_content
    is_async = isinstance(pieces, AsyncIterable)
    streaming.streaming_content = visit.async_streamed(pieces) if is_async else visit.streamed(pieces)
