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

from .. import transport
from ..secret import Headers, revealed
from ..settings import Settings
from . import NoReply, Reply
from .body import IDENTITY, SHORT, too_long, unpack
from .causes import cause_of, is_timeout
from .names import InlineResolver, ThreadResolver, in_thread
from .proxies import proxy_for
from .websocket import WebSocket

STALE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
"""What aiohttp raises if the server had closed a kept-alive connection before it read the request."""

REFUSED = (aiohttp.WSServerHandshakeError, aiohttp.ClientResponseError)
"""What aiohttp raises for a failed handshake; the second if the caller's session raises for bad statuses. Other
subclasses come from proxies and the like."""

LARGE = 2**20
"""Bytes. aiohttp warns if a larger body is sent in one piece."""


class AsyncTransport:
    """Kept-alive connections to the service, for the event loop of the first request.

    :param own_loop: True on a loop of our own, which a name lookup may block.
    :param again: whether aiohttp may resend idempotent requests (GET and the like) by itself.
    """

    def __init__(self, settings: Settings, *, own_loop: bool = False, again: bool = True) -> None:
        client = settings.http_client
        self._own = client is None or client.closed or own_loop
        self._session: aiohttp.ClientSession | None = None if self._own else client
        self._settings = settings
        self._own_loop = own_loop
        self._again = again
        self._proxies: dict[tuple[str, str], str | None] = {}  # a look through the environment takes 0.3 ms
        self._tls: ssl.SSLContext | bool | str = settings.tls
        if not self._own and has_own_tls(client):
            self._tls = True

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = _Connector(resolver=InlineResolver() if self._own_loop else ThreadResolver(), limit=0)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
            if not self._again and hasattr(self._session, "_retry_connection"):  # only some versions of aiohttp have it
                self._session._retry_connection = False
        return self._session

    async def _trust(self, url: str) -> ssl.SSLContext | bool:
        """What to verify the certificate of an address with.

        Reading a bundle takes some 30 ms. The first request that needs it reads it in a thread, to keep the loop free.

        :raises OSError: the bundle of certificates is unreadable.
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
        """Send a request once. Raises only on cancellation.

        :param timeout: seconds for the whole exchange.
        :param limit: most bytes to read of the reply's body.
        """
        if transport.stand_in is not None:
            return transport.stand_in(method, url, body, headers)
        bodiless: dict[str, object] = {} if body is not None else {"skip_auto_headers": ("Content-Type",)}
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
                raise_for_status=False,  # the caller's session may raise by default
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
        """Open a WebSocket. Raises only on cancellation.

        :param timeout: seconds for the connection and the handshake.
        :returns: the reply, without its body, if the handshake failed.
        """
        try:
            options = await self._options(url, revealed(headers))
            return await WebSocket.open(self._open(), url, timeout, **options)
        except Exception as error:
            if isinstance(error, aiohttp.ClientResponseError) and type(error) in REFUSED:
                return Reply(error.status, error.headers or {}, b"")
            return NoReply(cause_of(error), timed_out=is_timeout(error))

    async def _options(self, url: str, headers: dict[str, str]) -> dict[str, object]:
        options: dict[str, object] = {"headers": headers}
        if not self._own and _has_other_credentials(self._settings.http_client, url):
            others = dict(headers)
            options.update(auth=_as_auth(others.pop("Authorization")), headers=others)
        trust = await self._trust(url)
        if trust is not True:  # otherwise the session's own setup counts
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
            await self._session.close()  # first, since an ending loop may cancel any wait
            await asyncio.sleep(0)  # the loop closes sockets on its next turn

    def forget(self) -> None:
        """Drop the connections of a closed loop without a warning."""
        if self._own and self._session is not None and self._session.connector is not None:
            for _ in self._session.connector.close().__await__():
                pass  # a closed loop cannot wait, so this never does


async def _read(reply: aiohttp.ClientResponse, limit: int) -> tuple[bytes, str]:
    """The body, and what is wrong with it. If the service sends more than ``limit`` bytes, close the connection."""
    pieces: list[bytes] = []
    size = 0
    while piece := await reply.content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            reply.close()
            return b"".join(pieces)[:limit], too_long(limit)
    whole = reply._body if reply._body is not None else b"".join(pieces)  # a trace hook of the caller may have read it
    return unpack(whole, reply.headers.get("Content-Encoding", ""), limit)


def has_own_tls(session: object) -> bool:
    """Whether a caller's session has its own TLS context, say with a client certificate. That one is used then."""
    return isinstance(getattr(getattr(session, "connector", None), "_ssl", None), ssl.SSLContext)


class _Connector(aiohttp.TCPConnector):
    """Closes its connections before :meth:`close` returns.

    The shutdown of TLS takes some turns of the loop, and aiohttp before 3.12.8 does not wait for it. A loop that ends
    before leaves an open socket.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    async def _wrap_create_connection(self, *args: object, **options: Any) -> Any:
        made = await super()._wrap_create_connection(*args, **options)
        self._made.add(made[0])
        return made

    def abort(self) -> None:
        """Close all sockets on the loop's next turn."""
        for connection in self._made:
            connection.abort()


@lru_cache(maxsize=4)
def _trusting(bundle: str) -> ssl.SSLContext:
    """A context that trusts a file of certificates or, as with requests, a directory of them."""
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _has_other_credentials(session: object, url: str) -> bool:
    """Whether a caller's session has its own credentials for an address. aiohttp would refuse or replace our header
    then.
    """
    if getattr(session, "auth", None) is not None:
        return True
    if not getattr(session, "trust_env", False):
        return False
    from aiohttp.helpers import netrc_from_env  # noqa: PLC0415  private, so it may disappear

    entries = netrc_from_env()
    return entries is not None and entries.authenticators(urlsplit(url).hostname or "") is not None


def _as_auth(header: str) -> object:
    """A header's value as aiohttp's ``auth``, which wins over the session's own."""

    class Given(aiohttp.BasicAuth):
        def encode(self) -> str:
            return header

    return tuple.__new__(Given, ("", "", ""))  # from 3.14 on, aiohttp warns if it is made the usual way
