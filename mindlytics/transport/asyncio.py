"""One request through aiohttp."""

from __future__ import annotations

import asyncio
import io
import os
import ssl
import weakref
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from ..secret import Headers, revealed
from ..settings import Settings
from . import NoReply, Reply
from .body import IDENTITY, SHORT, too_long, unpack
from .causes import cause_of, is_timeout
from .names import InlineResolver, ThreadResolver, in_thread
from .proxies import proxy_for
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

    :param own_loop: True on a loop that serves nothing else: then it may stand still while a name is looked up.
    :param again: False: aiohttp sends nothing a second time by itself, as it else does with GET and its like.
    """

    def __init__(self, settings: Settings, *, own_loop: bool = False, again: bool = True) -> None:
        client = settings.http_client
        self._own = client is None or client.closed or own_loop
        self._session: aiohttp.ClientSession | None = None if self._own else client
        self._settings = settings
        self._own_loop = own_loop
        self._again = again
        self._proxies: dict[tuple[str, str], str | None] = {}  # to look through the environment takes 0.3 ms
        self._tls: ssl.SSLContext | bool | str = settings.tls
        if not self._own and has_own_tls(client):
            self._tls = True

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = _Connector(resolver=InlineResolver() if self._own_loop else ThreadResolver(), limit=0)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
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
        self._tls = made = _trusting(tls) if self._own_loop else await in_thread(_trusting, tls)
        return made

    async def request(
        self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float, *, limit: int = SHORT
    ) -> Reply | NoReply:
        """Send it once. Raises nothing but cancellation.

        :param timeout: seconds for all of it.
        :param limit: bytes of the reply's body that are read at most.
        """
        bodiless: dict[str, Any] = {} if body is not None else {"skip_auto_headers": ("Content-Type",)}
        unsent = True
        try:
            options = await self._options(url, {**IDENTITY, **revealed(headers)})
            session = self._open()
            unsent = False
            async with session.request(
                method,
                url,
                data=io.BytesIO(body) if body is not None and len(body) > LARGE else body,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
                raise_for_status=False,  # whatever the caller's session does
                auto_decompress=False,
                **bodiless,
                **options,
            ) as reply:
                content, problem = await _read(reply, limit)
                return Reply(reply.status, reply.headers, content, problem)
        except Exception as error:
            unsent = unsent or isinstance(error, aiohttp.ClientConnectorError)
            stale = isinstance(error, STALE)
            return NoReply(cause_of(error), stale=stale, unsent=unsent, timed_out=is_timeout(error))

    async def connect(self, url: str, headers: Headers, timeout: float) -> WebSocket | Reply | NoReply:
        """Open a WebSocket. Raises nothing but cancellation.

        :param timeout: seconds for the connection and the handshake.
        :returns: the reply, without its body, where the handshake failed.
        """
        try:
            options = await self._options(url, revealed(headers))
            return await WebSocket.open(self._open(), url, timeout, **options)
        except Exception as error:
            if isinstance(error, aiohttp.ClientResponseError) and type(error) in REFUSED:
                return Reply(error.status, error.headers or {}, b"")
            return NoReply(cause_of(error), timed_out=is_timeout(error))

    async def _options(self, url: str, headers: dict[str, str]) -> dict[str, Any]:
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
                self._proxies[host] = proxy_for(url)
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


async def _read(reply: aiohttp.ClientResponse, limit: int) -> tuple[bytes, str]:
    """The body, and what is the matter with it. A service that sends more than ``limit`` bytes is hung up on."""
    pieces: list[bytes] = []
    size = 0
    while piece := await reply.content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            reply.close()
            return b"".join(pieces)[:limit], too_long(limit)
    whole = reply._body if reply._body is not None else b"".join(pieces)  # a trace of the caller's may have read it
    return unpack(whole, reply.headers.get("Content-Encoding", ""), limit)


def has_own_tls(session: Any) -> bool:
    """Whether a caller's session has a TLS context of its own, say with a client certificate: then it is kept."""
    return isinstance(getattr(getattr(session, "connector", None), "_ssl", None), ssl.SSLContext)


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
