"""Direct requests to any endpoint of the service, each made once and at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, cast
from urllib.parse import urlencode, urljoin, urlsplit

import orjson

from .annotations import JsonObject, Self, Unpack
from .copying import Copied
from .delivery.reply import message
from .errors import MLHTTPError
from .secret import Headers, Secret
from .settings import Options, Settings, check_face
from .transport import NoReply, Reply
from .transport.body import LONG
from .wire import ALIAS_PATH, IDENTIFY_PATH, credentials

if TYPE_CHECKING:
    from .transport.asyncio import AsyncTransport
    from .transport.blocking import BlockingTransport

IN_QUERY = frozenset({"GET", "HEAD", "DELETE"})
"""Methods whose data goes into the query string."""

Data = Union[Mapping[str, object], Sequence[object], None]
"""What a request sends: JSON for the body, or the names and values of a query."""


class _Requests(Copied):
    """How requests are built and replies read, for both faces."""

    _is_async: bool

    def __init__(
        self,
        *,
        api_key: str | None = None,
        project_id: str | None = None,
        server_endpoint: str | None = None,
        debug: bool | None = None,
        **settings: Unpack[Options],
    ) -> None:
        """
        :param settings: credentials, address and connection settings as for a client, see the reference page of
            settings.
        """
        arguments = {"api_key": api_key, "project_id": project_id, "server_endpoint": server_endpoint, "debug": debug}
        self._take(Settings.load({**arguments, **settings}))

    @classmethod
    def _of(cls, settings: Settings) -> Self:
        """Make one from a client's settings."""
        made = cls.__new__(cls)
        made._take(settings)
        return made

    def _copied(self, settings: Settings, state: dict[str, object]) -> None:
        self._take(settings)

    def _settings_of_copy(self) -> Settings:
        return self._settings

    def _take(self, settings: Settings) -> None:
        check_face(settings.http_client, is_async=self._is_async)
        self._settings = settings
        self._headers = credentials(settings.api_key, settings.project_id)

    def _prepare(self, method: str, url: str, data: Data) -> tuple[str, str, bytes | None, Headers, float]:
        """The arguments for :meth:`BlockingTransport.request`.

        :raises ValueError: the address is of another host, which must not see the credentials.
        """
        method = method.upper()
        base = self._settings.server_endpoint
        whole = base + url if url.startswith("/") else urljoin(base + "/", url)
        if urlsplit(whole)[:2] != urlsplit(base)[:2]:
            raise ValueError(f"url must be a path, or an address that begins with {base}")
        body = None
        if isinstance(data, Mapping) and method in IN_QUERY:
            pairs = texts(data)
            whole += ("&" if "?" in whole else "?") + urlencode(pairs) if pairs else ""
        elif data is not None:
            body = orjson.dumps(data)
        return method, whole, body, self._headers, self._settings.request_timeout


def texts(parameters: Mapping[str, object]) -> dict[str, str]:
    """The parameters of a query, in JSON unless they are texts."""
    return {
        name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in parameters.items()
    }


def _read(reply: Reply | NoReply, key: Secret) -> object:
    """The JSON of a successful reply, or None if it has no body.

    :raises MLHTTPError: it is an error, or not JSON.
    """
    if isinstance(reply, NoReply):
        raise MLHTTPError(0, f"no reply ({reply.cause})")
    if not 200 <= reply.status < 300:
        raise MLHTTPError(reply.status, message(reply.status, reply.body, key))
    if reply.problem:
        raise MLHTTPError(reply.status, reply.problem)
    if not reply.body:
        return None
    try:
        return orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise MLHTTPError(reply.status, "the reply is not JSON") from None


def _as_errored(error: MLHTTPError) -> JsonObject:
    return {"errored": True, "status": error.status, "message": error.message}


class HTTPClient(_Requests):
    """Requests to any endpoint of the service, blocking."""

    _is_async = False

    def send_request(self, *, method: str, url: str, data: Data = None, raise_errors: bool = False) -> Any:
        """Send one request.

        :param method: GET, POST, PUT, PATCH or DELETE.
        :param url: a path of the service, such as ``/bc/v1/user/list``.
        :param data: JSON for the body. For GET and DELETE, the query's names and values.
        :param raise_errors: raise instead of returning a failure.
        :returns: the reply's JSON, or ``{"errored": True, "status": …, "message": …}``, with status 0 without a reply.
        :raises MLHTTPError: with ``raise_errors``: the service refused, or could not be reached.
        """
        try:
            return self._call(method, url, data)
        except MLHTTPError as error:
            if raise_errors:
                raise
            return _as_errored(error)

    def identify(self, body: Mapping[str, object]) -> JsonObject:
        """Identify a user.

        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return cast(JsonObject, self._call("POST", IDENTIFY_PATH, body))

    def alias(self, body: Mapping[str, object]) -> JsonObject:
        """Give a user a new id.

        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return cast(JsonObject, self._call("POST", ALIAS_PATH, body))

    def close(self) -> None:
        """Close the kept-alive connections."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, settings: Settings) -> None:
        super()._take(settings)
        self._idle: list[BlockingTransport] = []
        self._process = os.getpid()

    def _call(self, method: str, url: str, data: Data) -> object:
        from .transport.blocking import BlockingTransport  # noqa: PLC0415  requests takes a while to import

        request = self._prepare(method, url, data)
        if self._process != os.getpid():
            self._idle, self._process = [], os.getpid()
        transport = self._idle.pop() if self._idle else BlockingTransport(self._settings)
        reply = transport.request(*request, limit=LONG)
        self._idle.append(transport)
        return _read(reply, self._settings.api_key)


class AsyncHTTPClient(_Requests):
    """Requests to any endpoint of the service, for asyncio. An ``async with`` block keeps the connection."""

    _is_async = True

    def _take(self, settings: Settings) -> None:
        super()._take(settings)
        self._kept: AsyncTransport | None = None

    async def send_request(self, *, method: str, url: str, data: Data = None, raise_errors: bool = False) -> Any:
        """Send one request.

        :param method: GET, POST, PUT, PATCH or DELETE.
        :param url: a path of the service, such as ``/bc/v1/user/list``.
        :param data: JSON for the body. For GET and DELETE, the query's names and values.
        :param raise_errors: raise instead of returning a failure.
        :returns: the reply's JSON, or ``{"errored": True, "status": …, "message": …}``, with status 0 without a reply.
        :raises MLHTTPError: with ``raise_errors``: the service refused, or could not be reached.
        """
        try:
            return await self._call(method, url, data)
        except MLHTTPError as error:
            if raise_errors:
                raise
            return _as_errored(error)

    async def identify(self, body: Mapping[str, object]) -> JsonObject:
        """Identify a user.

        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return cast(JsonObject, await self._call("POST", IDENTIFY_PATH, body))

    async def alias(self, body: Mapping[str, object]) -> JsonObject:
        """Give a user a new id.

        :raises MLHTTPError: the service refused, or could not be reached.
        """
        return cast(JsonObject, await self._call("POST", ALIAS_PATH, body))

    async def close(self) -> None:
        """Close the kept-alive connections."""
        transport, self._kept = self._kept, None
        if transport is not None:
            await transport.close()

    async def __aenter__(self) -> Self:
        from .transport.asyncio import AsyncTransport  # noqa: PLC0415  aiohttp takes a while to import

        self._kept = AsyncTransport(self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, method: str, url: str, data: Data) -> object:
        from .transport.asyncio import AsyncTransport  # noqa: PLC0415  aiohttp takes a while to import

        request = self._prepare(method, url, data)
        transport = self._kept or AsyncTransport(self._settings)
        try:
            reply = await transport.request(*request, limit=LONG)
        finally:
            if transport is not self._kept:
                await transport.close()
        return _read(reply, self._settings.api_key)
