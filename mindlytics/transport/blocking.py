"""One request through requests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError

from .. import transport
from ..secret import Headers, revealed
from ..settings import Settings
from . import NoReply, Reply, green
from .body import IDENTITY, SHORT, too_long, unpack
from .causes import cause_of, is_timeout
from .connection import CUT_OFF, Route, TimedAdapter, is_replaced
from .proxies import proxy_for

PIECE = 64 * 1024
"""Most bytes of a body that are read at once."""

NOT_WHOLE = (requests.ConnectionError, requests.Timeout, ChunkedEncodingError, ContentDecodingError)
"""What a session raises if the whole reply does not come."""
MAX_ROUTES = 100
"""Most addresses whose routes are kept. Finding one takes a look through the environment, 0.3 ms."""

_callers: WeakSet[requests.Session] = WeakSet()
"""Callers' sessions that were used here."""

_of_the_parent: list[object] = []
"""The parent's connections in a forked child, which must leave them alone. Freeing one would close it under a lock,
which a thread of the parent may have held at the fork."""


class BlockingTransport:
    """A kept-alive connection to the service, for one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._verify = settings.tls
        self._trust_env = settings.trust_env
        self._own = settings.http_client is None
        self._session: requests.Session = _session() if self._own else settings.http_client
        if not self._own and isinstance(self._session, requests.Session):
            _callers.add(self._session)
        self._headers = {name: str(value) for name, value in self._session.headers.items()} if self._own else {}
        self._routes: dict[str, Route] = {}

    def request(
        self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float, *, limit: int = SHORT
    ) -> Reply | NoReply:
        """Send a request once. Never raises.

        :param timeout: seconds for the connection, and for the whole reply. In a caller's own session: for each wait
            for the reply's head, and for its whole body.
        :param limit: most bytes to read of the reply's body.
        """
        if transport.stand_in is not None:
            return transport.stand_in(method, url, body, headers)
        try:
            plain = {**IDENTITY, **revealed(headers)}
            if self._own and not is_replaced():
                raw = self._route(url).send(method, body, {**self._headers, **plain}, timeout)
                status, reply_headers = raw.status, cast(Mapping[str, str], raw.headers)
                content, problem = _read(raw, time.monotonic() + timeout, limit)
            else:
                reply = self._send_by_session(method, url, body, plain, timeout)
                status, reply_headers = reply.status_code, reply.headers
                content, problem = _content(reply, time.monotonic() + timeout, limit)
        except Exception as error:
            if type(error) is RuntimeError and green.look_up_here():  # a thread could not be started
                return self.request(method, url, body, headers, timeout, limit=limit)
            cause = cause_of(error)
            return NoReply(cause, stale=_is_stale(error), unsent=_is_unsent(error), timed_out=is_timeout(error))
        return Reply(status, reply_headers, content, problem)

    def _route(self, url: str) -> Route:
        if url not in self._routes:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            proxy = proxy_for(url) if self._trust_env else None
            self._routes[url] = Route(self._session, url, self._verify, {urlsplit(url)[0]: proxy} if proxy else {})
        return self._routes[url]

    def _send_by_session(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> requests.Response:
        """Send through the caller's session. If its hooks raise for a bad status, return the reply anyway."""
        replies: list[requests.Response] = []

        def keep(reply: requests.Response, **_: object) -> None:
            replies.append(reply)

        hooks = (getattr(self._session, "hooks", None) or {}).get("response") or []
        try:
            return self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                verify=None if self._verify is True else self._verify,
                auth=_leave_alone,
                stream=True,
                hooks={
                    "response": [keep, *([hooks] if callable(hooks) else hooks)]
                },  # the session's own would be ignored
            )
        except NOT_WHOLE:
            raise
        except Exception:
            if not replies:
                raise
            return replies[-1]

    def close(self) -> None:
        """Close the connections, unless the session is the caller's own."""
        if self._own:
            for route in self._routes.values():
                route.close()
            self._routes.clear()  # freed while the interpreter ends, their pools would fail under green threads
            self._session.close()


def _session() -> requests.Session:
    """A session of our own, which ignores the environment and cookies."""
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("http://", "https://"):
        session.mount(scheme, TimedAdapter())
    return session


class _Session(requests.Session):
    """Ignores redirects. requests would prepare the next request, and if that fails, the reply is lost."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _content(reply: requests.Response, until: float, limit: int) -> tuple[bytes, str]:
    """The body of a session's reply, which a hook may have read already."""
    raw = reply.raw
    if getattr(raw, "closed", True) or not hasattr(raw, "read"):
        return reply.content[:limit], too_long(limit) if len(reply.content) > limit else ""
    return _read(raw, until, limit)


def _read(raw: Any, until: float, limit: int) -> tuple[bytes, str]:
    """The body, and what is wrong with it.

    Raises when the time is over, also if the body trickles in. If it exceeds ``limit`` bytes, close the connection.
    """
    read: Callable[..., bytes] = getattr(raw, "read1", raw.read)  # mocks lack read1
    pieces: list[bytes] = []
    size = 0
    while piece := read(PIECE, decode_content=False):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raw.close()
            return b"".join(pieces)[:limit], too_long(limit)
        if time.monotonic() > until:
            raw.close()
            raise requests.ReadTimeout("the reply took too long")
    return unpack(b"".join(pieces), raw.headers.get("Content-Encoding", ""), limit)


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that changes nothing: without it, an entry in ``~/.netrc`` could replace the API key."""
    return request


def _is_stale(error: Exception) -> bool:
    """Whether the server had closed the connection before it read the request."""
    return isinstance(error, CUT_OFF) and _names(error, "RemoteDisconnected", "BrokenPipeError", "ConnectionResetError")


def _is_unsent(error: Exception) -> bool:
    """Whether connecting failed."""
    return isinstance(error, CUT_OFF) and _names(
        error, "ConnectTimeout", "NewConnectionError", "NameResolutionError", "ConnectTimeoutError"
    )


def _names(error: Exception, *kinds: str) -> bool:
    text = repr(error)
    return any(kind in text for kind in kinds)


def begin_in_child() -> None:
    """Drop the connections of callers' sessions, as unpickling an adapter does."""
    for session in list(_callers):
        adapters: list[Any] = [each for each in session.adapters.values() if isinstance(each, HTTPAdapter)]
        for adapter in adapters:
            _of_the_parent.append((adapter.poolmanager, adapter.proxy_manager))
            adapter.__setstate__(adapter.__getstate__())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_in_child)
