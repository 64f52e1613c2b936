"""One request through a caller's own ``httpx.Client`` or ``httpx.AsyncClient``, without importing httpx."""

from __future__ import annotations

import time
from typing import Any

from ..secret import Headers, revealed
from . import NoReply, Reply
from .body import IDENTITY, SHORT, too_long, unpack
from .causes import cause_of, is_timeout
from .limit import timeout as time_limit

UNSENT = frozenset({"ConnectError", "ConnectTimeout"})
"""What httpx raises if connecting failed."""


def is_httpx(client: object) -> bool:
    """Whether this is a client of httpx."""
    return any(base.__module__.partition(".")[0] == "httpx" for base in type(client).__mro__)


class HttpxTransport:
    """Sends through the caller's client: its proxies, certificates and connections, our headers and time-outs."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def request(
        self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float, *, limit: int = SHORT
    ) -> Reply | NoReply:
        """Send a request once. Never raises.

        :param timeout: seconds for the connection, for each wait for the reply's head, and for its whole body.
        :param limit: most bytes to read of the reply's body.
        """
        try:
            with self._client.stream(method, url, **_options(body, headers, timeout)) as reply:
                until = time.monotonic() + timeout
                pieces = _Pieces(reply, limit)
                if not reply.is_stream_consumed:  # a hook of the caller's client may have read it
                    for piece in reply.iter_raw():
                        if pieces.add(piece):
                            break
                        if time.monotonic() > until:
                            raise TimeoutError("the reply took too long")
                return pieces.reply()
        except Exception as error:
            return _reply_of(error)

    def close(self) -> None:
        """Do nothing: the caller closes the client."""


class AsyncHttpxTransport:
    """The same for asyncio."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def request(
        self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float, *, limit: int = SHORT
    ) -> Reply | NoReply:
        """Send a request once. Raises only on cancellation.

        :param timeout: seconds for the whole exchange.
        :param limit: most bytes to read of the reply's body.
        """
        try:
            async with (
                time_limit(timeout),
                self._client.stream(method, url, **_options(body, headers, timeout)) as reply,
            ):
                pieces = _Pieces(reply, limit)
                if not reply.is_stream_consumed:
                    async for piece in reply.aiter_raw():
                        if pieces.add(piece):
                            break
                return pieces.reply()
        except Exception as error:
            return _reply_of(error)

    async def close(self) -> None:
        """Do nothing: the caller closes the client."""

    def forget(self) -> None:
        """Do nothing: it holds no connections."""


class _Pieces:
    """Collects a raw body, to decompress it once it is complete."""

    def __init__(self, reply: Any, limit: int) -> None:
        self._reply = reply
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> bool:
        """Add a piece. Returns whether the body exceeds the limit."""
        self._pieces.append(piece)
        self._size += len(piece)
        return self._size > self._limit

    def reply(self) -> Reply:
        reply, limit = self._reply, self._limit
        if self._size > limit:
            content, problem = b"".join(self._pieces)[:limit], too_long(limit)
        elif self._pieces:
            content, problem = unpack(b"".join(self._pieces), reply.headers.get("Content-Encoding", ""), limit)
        else:
            content, problem = _content(reply)[:limit], ""
        return Reply(reply.status_code, reply.headers, content, problem)


def _content(reply: Any) -> bytes:
    """The body, as far as a hook of the caller's client has read it."""
    try:
        content: bytes = reply.content
    except Exception:
        return b""
    return content


def _options(body: bytes | None, headers: Headers, timeout: float) -> dict[str, object]:
    """The options that override the client's. Its ``auth`` would replace the API key, so that is overridden too."""
    sent = {**IDENTITY, **revealed(headers)}
    return {"content": body, "headers": sent, "timeout": timeout, "follow_redirects": False, "auth": None}


def _reply_of(error: Exception) -> Reply | NoReply:
    """The reply in an error, if a hook of the caller's client raises for bad statuses.

    httpx closes the reply, so its body is what the hook has read.
    """
    reply: Any = getattr(error, "response", None)
    if not is_httpx(reply):
        name = type(error).__name__
        stale = name == "RemoteProtocolError"
        return NoReply(cause_of(error), stale=stale, unsent=name in UNSENT, timed_out=is_timeout(error))
    return Reply(reply.status_code, reply.headers, _content(reply))
