"""One request through aiohttp."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import ssl
import weakref
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ..settings import Settings
from . import NoReply, Reply
from .websocket import WebSocket

STALE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
"""What aiohttp raises where the server had closed a kept-alive connection before it read the request."""

REFUSED = (aiohttp.WSServerHandshakeError, aiohttp.ClientResponseError)
"""What aiohttp raises for a handshake that fails; the second where the caller's session raises for bad statuses. Its
other kinds are a proxy's answers and the like."""

LARGE = 2**20
"""Bytes of a body from which on aiohttp warns of sending them in one piece."""


class AsyncTransport:
    """Kept-alive connections to the service, for the event loop of the first request.

    :param threads: False where no thread can be started any more; names are then looked up on the loop itself.
    :param again: False: aiohttp sends nothing a second time by itself, as it else does with GET and its like.
    """

    def __init__(self, settings: Settings, *, threads: bool = True, again: bool = True) -> None:
        client = settings.http_client
        self._own = client is None or client.closed or not threads
        self._session: aiohttp.ClientSession | None = None if self._own else client
        self._settings = settings
        self._threads = threads
        self._again = again
        self._proxies: dict[tuple[str, str], str | None] = {}  # to look through the environment takes 0.3 ms
        self._tls: ssl.SSLContext | bool | str = settings.tls

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = _Connector(resolver=None if self._threads else _PatientResolver(), limit=0)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            if not self._again and hasattr(self._session, "_retry_connection"):  # some of its versions cannot leave it
                self._session._retry_connection = False
        return self._session

    async def _trust(self, url: str) -> ssl.SSLContext | bool:
        """What to verify the certificate of an address with.

        A bundle takes some 30 ms to read: the first request that needs it does so, without holding the loop up.

        :raises OSError: the bundle of certificates cannot be read, or is none.
        """
        tls = self._tls
        if not isinstance(tls, str):
            return tls
        if urlsplit(url).scheme not in {"https", "wss"}:
            return True
        if self._threads:
            self._tls = made = await asyncio.get_running_loop().run_in_executor(None, _trusting, tls)
        else:
            self._tls = made = _trusting(tls)
        return made

    async def request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Reply | NoReply:
        """Send it once. Raises nothing but cancellation.

        :param timeout: seconds for all of it.
        """
        bodiless: dict[str, Any] = {} if body is not None else {"skip_auto_headers": ("Content-Type",)}
        unsent = True
        try:
            options = await self._options(url, headers)
            session = self._open()
            unsent = False
            async with session.request(
                method,
                url,
                data=io.BytesIO(body) if body is not None and len(body) > LARGE else body,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
                raise_for_status=False,  # whatever the caller's session does
                **bodiless,
                **options,
            ) as reply:
                return Reply(reply.status, reply.headers, await reply.read())
        except Exception as error:
            unsent = unsent or isinstance(error, aiohttp.ClientConnectorError)
            return NoReply(type(error).__name__, stale=isinstance(error, STALE), unsent=unsent)

    async def connect(self, url: str, headers: Mapping[str, str], timeout: float) -> WebSocket | Reply | NoReply:
        """Open a WebSocket. Raises nothing but cancellation.

        :param timeout: seconds for the connection and the handshake.
        :returns: the reply, without its body, where the handshake failed.
        """
        try:
            options = await self._options(url, headers)
            return await WebSocket.open(self._open(), url, timeout, **options)
        except Exception as error:
            if isinstance(error, aiohttp.ClientResponseError) and type(error) in REFUSED:
                return Reply(error.status, error.headers or {}, b"")
            return NoReply(type(error).__name__)

    async def _options(self, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
        options: dict[str, Any] = {"headers": headers}
        if not self._own and _has_other_credentials(self._settings.http_client, url):
            others = dict(headers)
            options.update(auth=_as_auth(others.pop("Authorization")), headers=others)
        trust = await self._trust(url)
        if trust is not True:  # else what a session of the caller's own is set up with
            options["ssl"] = trust
        if self._own and self._settings.trust_env:
            host = urlsplit(url)[:2]
            if host not in self._proxies:
                self._proxies[host] = _proxy(url)
            options["proxy"] = self._proxies[host]
        return options

    async def close(self) -> None:
        """Close the connections, unless the session is the caller's own."""
        if self._own and self._session is not None:
            if isinstance(self._session.connector, _Connector):
                self._session.connector.abort()
            await self._session.close()  # before any other wait: a loop that ends may cancel it
            await asyncio.sleep(0)  # the loop closes sockets on its next turn

    def forget(self) -> None:
        """The loop was closed, and the connections with it: do not complain of them."""
        if self._own and self._session is not None and self._session.connector is not None:
            for _ in self._session.connector.close().__await__():
                pass  # nothing can be waited for on a closed loop, so nothing is


class _Connector(aiohttp.TCPConnector):
    """Closes its connections before :meth:`close` is over.

    A farewell in TLS needs the loop for some turns more, and aiohttp before 3.12.8 does not wait for it: a loop that
    ends meanwhile leaves an open socket behind.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    async def _wrap_create_connection(self, *args: Any, **options: Any) -> Any:
        made = await super()._wrap_create_connection(*args, **options)
        self._made.add(made[0])
        return made

    def abort(self) -> None:
        """Close all sockets; the loop does it on its next turn."""
        for connection in self._made:
            connection.abort()


@lru_cache(maxsize=4)
def _trusting(bundle: str) -> ssl.SSLContext:
    """From a file of certificates or, as requests takes it too, a directory of them."""
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address, as requests finds it.

    aiohttp's own ``trust_env`` is not used: with it, an entry in ``~/.netrc`` would take part in the credentials.
    """
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme.replace("ws", "http")) or proxies.get("all")


def _has_other_credentials(session: Any, url: str) -> bool:
    """Whether a caller's session has credentials of its own for an address: aiohttp then refuses a header of ours, or
    replaces it by them.
    """
    if getattr(session, "auth", None) is not None:
        return True
    if not getattr(session, "trust_env", False):
        return False
    from aiohttp.helpers import netrc_from_env  # noqa: PLC0415  no part of what it promises to keep

    entries = netrc_from_env()
    return entries is not None and entries.authenticators(urlsplit(url).hostname or "") is not None


def _as_auth(header: str) -> Any:
    """A header's value as aiohttp's ``auth``, which goes before a session's own."""

    class Given(aiohttp.BasicAuth):
        def encode(self) -> str:
            return header

    return tuple.__new__(Given, ("", "", ""))  # aiohttp warns of the usual way from 3.14 on


class _PatientResolver(AbstractResolver):
    """Looks names up on the loop's own thread: a leaving interpreter starts no other."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""
