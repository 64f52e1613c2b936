"""One request through a caller's own ``httpx.Client`` or ``httpx.AsyncClient``. httpx itself is not imported."""

from __future__ import annotations

import time
from typing import Any

from ..secret import Headers, revealed
from . import NoReply, Reply
from .body import IDENTITY, SHORT, too_long, unpack
from .causes import cause_of, is_timeout
from .limit import timeout as time_limit

UNSENT = frozenset({"ConnectError", "ConnectTimeout"})
"""What httpx raises where no connection came about."""


def is_httpx(client: object) -> bool:
    """Whether this is a client of httpx."""
    return any(base.__module__.partition(".")[0] == "httpx" for base in type(client).__mro__)


class HttpxTransport:
    """The caller's own client; its proxies, certificates and connections, our headers and time-outs."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def request(
        self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float, *, limit: int = SHORT
    ) -> Reply | NoReply:
        """Send it once. Never raises.

        :param timeout: seconds for the connection, for each wait for the reply's head, and for all of its body.
        :param limit: bytes of the reply's body that are read at most.
        """
        try:
            with self._client.stream(method, url, **_options(body, headers, timeout)) as reply:
                until = time.monotonic() + timeout
                pieces = _Pieces(reply, limit)
                if not reply.is_stream_consumed:  # as a hook of the caller's client may have done
                    for piece in reply.iter_raw():
                        if pieces.add(piece):
                            break
                        if time.monotonic() > until:
                            raise TimeoutError("the reply took too long")
                return pieces.reply()
        except Exception as error:
            return _reply_of(error)

    def close(self) -> None:
        """The client is the caller's own: it is left open."""


class AsyncHttpxTransport:
    """The same for asyncio."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def request(
        self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float, *, limit: int = SHORT
    ) -> Reply | NoReply:
        """Send it once. Raises nothing but cancellation.

        :param timeout: seconds for all of it.
        :param limit: bytes of the reply's body that are read at most.
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
        """The client is the caller's own: it is left open."""

    def forget(self) -> None:
        """Nothing is held."""


class _Pieces:
    """A body as it comes, as it is sent: of what is compressed, nothing is decoded before all of it is there."""

    def __init__(self, reply: Any, limit: int) -> None:
        self._reply = reply
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> bool:
        """Whether this is more than is read."""
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
    """What a hook of the caller's client has read of a body."""
    try:
        content: bytes = reply.content
    except Exception:
        return b""
    return content


def _options(body: bytes | None, headers: Headers, timeout: float) -> dict[str, Any]:
    """What overrides the client: its ``auth`` too, which would replace the API key."""
    sent = {**IDENTITY, **revealed(headers)}
    return {"content": body, "headers": sent, "timeout": timeout, "follow_redirects": False, "auth": None}


def _reply_of(error: Exception) -> Reply | NoReply:
    """The reply that an error is about, where a hook of the caller's client raises for bad statuses.

    Of its body there is what the hook has read; httpx closes it.
    """
    reply: Any = getattr(error, "response", None)
    if not is_httpx(reply):
        name = type(error).__name__
        stale = name == "RemoteProtocolError"
        return NoReply(cause_of(error), stale=stale, unsent=name in UNSENT, timed_out=is_timeout(error))
    return Reply(reply.status_code, reply.headers, _content(reply))
