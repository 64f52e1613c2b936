"""Connections of requests whose time-out covers the whole reply, where the usual one covers each piece.

They come directly from requests' own pool. Its code for redirects, cookies and authentication is skipped: it makes up
most of a request's cost, and delivery needs none of it. Interim replies (100 to 199) are skipped, as RFC 9110 asks.
``http.client`` skips only 100.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any

from requests import ConnectionError, Request, Session
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CUT_OFF: tuple[type[Exception], ...] = (ConnectionError, HTTPError)
"""What is raised if the whole reply does not come."""

MAX_INTERIM = 100
"""Most interim replies before the reply itself."""


class TimedAdapter(HTTPAdapter):
    """Makes such connections, directly and through HTTP proxies."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _make_timed(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: object) -> object:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            _make_timed(manager)
        return manager


def is_replaced() -> bool:
    """Whether something mocks requests, as ``responses`` does in tests."""
    return HTTPAdapter.send.__module__ != "requests.adapters"


class Route:
    """The route to one address: its connection pool, and the target in the request line."""

    def __init__(self, session: Session, url: str, verify: bool | str, proxies: dict[str, str]) -> None:
        adapter: Any = session.get_adapter(url)
        request = Request("POST", url).prepare()
        self._pool = adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=None)
        adapter.cert_verify(self._pool, url, verify, None)
        self._target = adapter.request_url(request, proxies)

    def send(self, method: str, body: bytes | None, headers: dict[str, str], timeout: float) -> BaseHTTPResponse:
        """Send a request once. The caller reads the reply's body."""
        reply: BaseHTTPResponse = self._pool.urlopen(
            method,
            self._target,
            body,
            headers,
            timeout=timeout,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        return reply

    def close(self) -> None:
        """Close its connections. A session leaves that to the garbage collector, which may skip it at exit."""
        self._pool.close()


def _make_timed(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class _Response(http.client.HTTPResponse):
    """A reply whose time began when the request was sent."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        timeout = sock.gettimeout()
        if timeout is not None:
            self.fp.close()
            self.fp = _Lines(_TimedReader(sock, time.monotonic() + timeout))

    def _read_status(self) -> tuple[str, int, str]:
        status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        for _ in range(MAX_INTERIM):
            if not 100 < status[1] < 200 or status[1] == http.client.SWITCHING_PROTOCOLS:
                return status
            http.client.parse_headers(self.fp)
            status = super()._read_status()  # type: ignore[misc]
        raise http.client.HTTPException("too many interim replies")


class _Lines(io.BufferedReader):
    """Raises on a line that broke off, which ``http.client`` would accept as a header."""

    _is_begun = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if self._is_begun and not line.endswith(b"\n") and len(line) != size:
            raise http.client.IncompleteRead(line)
        self._is_begun = True  # http.client itself checks the first line
        return line


class _TimedReader(io.RawIOBase):
    """Reads from a socket until a deadline on the monotonic clock."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Connection(HTTPConnection):
    response_class = _Response


class _TLSConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
