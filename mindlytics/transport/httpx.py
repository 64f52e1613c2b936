"""One request through a caller's own ``httpx.Client`` or ``httpx.AsyncClient``. httpx itself is not imported."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import NoReply, Reply, limit

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
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Reply | NoReply:
        """Send it once. Never raises.

        :param timeout: seconds for the connection, for each wait for the reply's head, and for all of its body.
        """
        try:
            with self._client.stream(method, url, **_options(body, headers, timeout)) as reply:
                content = _read(reply, time.monotonic() + timeout)
        except Exception as error:
            return _reply_of(error)
        return Reply(reply.status_code, reply.headers, content)

    def close(self) -> None:
        """The client is the caller's own: it is left open."""


class AsyncHttpxTransport:
    """The same for asyncio."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Reply | NoReply:
        """Send it once. Raises nothing but cancellation.

        :param timeout: seconds for all of it.
        """
        try:
            async with limit.timeout(timeout):
                reply = await self._client.request(method, url, **_options(body, headers, timeout))
        except Exception as error:
            return _reply_of(error)
        return Reply(reply.status_code, reply.headers, reply.content)

    async def close(self) -> None:
        """The client is the caller's own: it is left open."""

    def forget(self) -> None:
        """Nothing is held."""


def _read(reply: Any, until: float) -> bytes:
    """The body, as it comes in; a service that trickles it is given up when the time is over."""
    if not reply.is_stream_consumed:  # as a hook of the caller's client may have done
        pieces: list[bytes] = []
        for piece in reply.iter_raw():  # as it is sent: of what is compressed, nothing may be decoded for long
            pieces.append(piece)
            if time.monotonic() > until:
                raise TimeoutError("the reply took too long")
        reply = type(reply)(reply.status_code, headers=reply.headers, content=b"".join(pieces))
    content: bytes = reply.content
    return content


def _options(body: bytes | None, headers: Mapping[str, str], timeout: float) -> dict[str, Any]:
    """What overrides the client: its ``auth`` too, which would replace the API key."""
    return {"content": body, "headers": dict(headers), "timeout": timeout, "follow_redirects": False, "auth": None}


def _reply_of(error: Exception) -> Reply | NoReply:
    """The reply that an error is about, where a hook of the caller's client raises for bad statuses.

    Of its body there is what the hook has read; httpx closes it.
    """
    reply: Any = getattr(error, "response", None)
    if not is_httpx(reply):
        name = type(error).__name__
        return NoReply(name, stale=name == "RemoteProtocolError", unsent=name in UNSENT)
    try:
        body = reply.content
    except Exception:
        body = b""
    return Reply(reply.status_code, reply.headers, body)
