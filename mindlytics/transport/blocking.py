"""One request through requests."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError

from ..settings import Settings
from . import NoReply, Reply

PIECE = 64 * 1024
"""Bytes that are read of a body at once, at most."""

CUT_OFF = (requests.ConnectionError, requests.Timeout, ChunkedEncodingError, ContentDecodingError)
"""What requests raises where no whole reply comes."""

_callers: WeakSet[requests.Session] = WeakSet()
"""Callers' sessions that were used here."""

_of_the_parent: list[object] = []
"""Connections that a forked child must not use. They are kept, since to let go of them is to close them, under locks
that a thread of the parent may have held at the fork."""


class BlockingTransport:
    """A kept-alive connection to the service, for one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._verify = settings.tls
        self._own = settings.http_client is None
        self._session: requests.Session = _Session() if self._own else settings.http_client
        if self._own:
            self._session.trust_env = settings.trust_env
        elif isinstance(self._session, requests.Session):
            _callers.add(self._session)
        self._reach: dict[tuple[str, str], Any] = {}

    def request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Reply | NoReply:
        """Send it once. Never raises.

        :param timeout: seconds for the connection, for each wait for the reply's head, and for all of its body.
        """
        try:
            send = self._send if self._own else self._send_by_callers_session
            reply = send(method, url, body, headers, timeout)
            content = _read(reply, time.monotonic() + timeout)
        except Exception as error:
            return NoReply(type(error).__name__, stale=_is_stale(error), unsent=_is_unsent(error))
        return Reply(reply.status_code, reply.headers, content)

    def _send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> requests.Response:
        """As ``Session.request`` does it, but asking the environment for proxies and certificates once a host.

        It would take a third of the time of a request otherwise (0.3 of 0.9 ms).
        """
        session = self._session
        host = urlsplit(url)[:2]
        if host not in self._reach:
            self._reach[host] = session.merge_environment_settings(url, {}, True, self._verify, None)
        whole = requests.Request(method, url, headers={**session.headers, **headers}, data=body, auth=_leave_alone)
        return session.send(whole.prepare(), timeout=timeout, allow_redirects=False, **self._reach[host])

    def _send_by_callers_session(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> requests.Response:
        """As the caller has set it up; of a session that raises for bad statuses, the reply is what counts."""
        replies: list[requests.Response] = []

        def keep(reply: requests.Response, **_: Any) -> None:
            replies.append(reply)

        hooks = (getattr(self._session, "hooks", None) or {}).get("response") or []
        try:
            return self._session.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                timeout=timeout,
                allow_redirects=False,
                verify=None if self._verify is True else self._verify,
                auth=_leave_alone,
                stream=True,
                hooks={"response": [keep, *([hooks] if callable(hooks) else hooks)]},  # or they would replace these
            )
        except CUT_OFF:
            raise
        except Exception:
            if not replies:
                raise
            return replies[-1]

    def close(self) -> None:
        """Close the connections, unless the session is the caller's own."""
        if self._own:
            self._session.close()


class _Session(requests.Session):
    """Looks at no redirect: to prepare the next request, which nobody asks for, may fail and then hides the reply."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _read(reply: requests.Response, until: float) -> bytes:
    """The body, as it comes in; a service that trickles it is given up when the time is over."""
    raw = reply.raw
    if not hasattr(raw, "read1") or raw.closed:
        return reply.content  # urllib3 has read1 since 2.2; a hook of the caller's session may have read it all
    pieces: list[bytes] = []
    while piece := raw.read1(PIECE):
        pieces.append(piece)
        if time.monotonic() > until:
            reply.close()
            raise requests.ReadTimeout("the reply took too long")
    whole = b"".join(pieces)
    coding = reply.headers.get("Content-Encoding")
    if coding is not None and not getattr(raw, "decode_content", True):
        # Only now: while it comes, urllib3 would wait for what can be decoded, however long that takes.
        whole = type(raw)(BytesIO(whole), {"Content-Encoding": coding}).data
    return whole


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that changes nothing: without it, an entry in ``~/.netrc`` could replace the API key."""
    return request


def _is_stale(error: Exception) -> bool:
    """Whether the server had closed the connection before it read the request (it answers nothing at all)."""
    text = repr(error)
    return isinstance(error, requests.ConnectionError) and any(
        kind in text for kind in ("RemoteDisconnected", "BrokenPipeError", "ConnectionResetError")
    )


def _is_unsent(error: Exception) -> bool:
    """Whether no connection came about."""
    return isinstance(error, requests.ConnectTimeout) or (
        isinstance(error, requests.ConnectionError)
        and any(kind in repr(error) for kind in ("NewConnectionError", "NameResolutionError"))
    )


def _after_fork_in_child() -> None:
    """Callers' sessions begin without connections, as an adapter does that is unpickled."""
    for session in list(_callers):
        adapters: list[Any] = [each for each in session.adapters.values() if isinstance(each, HTTPAdapter)]
        for adapter in adapters:
            _of_the_parent.append((adapter.poolmanager, adapter.proxy_manager))
            adapter.__setstate__(adapter.__getstate__())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
