"""One request through a caller's own ``httpx.Client`` or ``httpx.AsyncClient``. httpx itself is not imported."""

from __future__ import annotations

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

        :param timeout: seconds for the connection, and for each wait for a part of the reply.
        """
        try:
            reply = self._client.request(method, url, **_options(body, headers, timeout))
        except Exception as error:
            return _no_reply(error)
        return Reply(reply.status_code, reply.headers, reply.content)

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
            return _no_reply(error)
        return Reply(reply.status_code, reply.headers, reply.content)

    async def close(self) -> None:
        """The client is the caller's own: it is left open."""

    def forget(self) -> None:
        """Nothing is held."""


def _options(body: bytes | None, headers: Mapping[str, str], timeout: float) -> dict[str, Any]:
    return {"content": body, "headers": dict(headers), "timeout": timeout, "follow_redirects": False}


def _no_reply(error: Exception) -> NoReply:
    name = type(error).__name__
    return NoReply(name, stale=name == "RemoteProtocolError", unsent=name in UNSENT)
