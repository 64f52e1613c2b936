"""Connections that say nothing, half of something, or too much, and what becomes of the others. Over sockets."""

from __future__ import annotations

import gzip
import re
import resource
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from mindlytics.server import connections
from mindlytics.server.http import MAX_BODY
from mindlytics.server.run import LocalServer

from .calls import QUEUE, Caller, track

HEAD = b"Host: localhost\r\nAuthorization: Bearer k\r\nX-App-ID: a\r\n"

FEW = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
from mindlytics.server.run import serve
import logging
logging.basicConfig(format="%(message)s")
asyncio.run(serve("127.0.0.1", 0, sys.argv[1], analysis=None, on_ready=lambda url: print(url, flush=True)))
"""


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=20)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes the connection or cuts it off."""
    received = b""
    try:
        while more := connection.recv(65536):
            received += more
    except ConnectionResetError:
        pass
    return received


def is_established(port: int | None, peer: int) -> bool:
    """Whether the end of a connection at this port, from that one, is open."""
    rows = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = {(int(here[-4:], 16), int(there[-4:], 16)) for here, there, state in rows if state == "01"}
    return (port, peer) in ends


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A server that waits for a request for a moment only."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    with LocalServer(analysis=None, live_port=0) as server:
        yield server


# -- idle ones


@pytest.mark.parametrize("said", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: loc"], ids=["nothing", "line", "header"])
def test_a_connection_that_never_asks_is_closed(short: LocalServer, said: bytes) -> None:
    for url in (short.url, short.live_url):
        with connect(url) as connection:
            connection.sendall(said)
            assert b"" == rest(connection)


def test_a_connection_that_asks_no_more_is_closed(short: LocalServer) -> None:
    with connect(short.url) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\nGET /")
        assert rest(connection).endswith(b'{"status":"ok"}')


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_connection_that_takes_no_answer_is_cut_off(short: LocalServer) -> None:
    with (caller := Caller(short.url, "k", "a")).http:
        for _ in range(20):
            caller.take(*(track(properties={"text": "x" * 3000}) for _ in range(250)))
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = urlsplit(short.url)
        connection.settimeout(20)
        connection.connect((address.hostname or "", address.port or 0))
        connection.sendall(b"GET /bc/v1/db/events/find?limit=2000 HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert b"HTTP/1.1 200" == connection.recv(12)
        until = time.monotonic() + 20
        while is_established(address.port, connection.getsockname()[1]):
            assert time.monotonic() < until, "it is still open"
            time.sleep(0.02)


def test_a_connection_that_is_used_stays(short: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 3.0)
    with connect(short.url) as connection:
        reader = connection.makefile("rb")
        until = time.monotonic() + 4
        while time.monotonic() < until:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n")
            while reader.readline().strip():
                pass
            assert b'{"status":"ok"}' == reader.read(15)


def test_a_slow_answer_is_waited_for(short: LocalServer) -> None:
    with (caller := Caller(short.url)).http:
        caller.http.put(f"{short.url}/_chaos", data="latency:600ms", timeout=20)
        assert 200 == caller.queue(track()).status_code


# -- many


@contextmanager
def few_descriptors(db: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server that may have 96 descriptors."""
    with subprocess.Popen(
        [sys.executable, "-c", FEW, str(db)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip(), server
        finally:
            server.kill()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: "], ids=["idle", "half-sent"])
def test_more_connections_than_descriptors_leave_it_reachable(tmp_path: Path, said: bytes) -> None:
    with few_descriptors(tmp_path / "x.db") as (url, server), ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(url)).sendall(said)
        for _ in range(3):
            assert 200 == requests.get(f"{url}/healthz", timeout=30).status_code
        server.kill()
        _, logged = server.communicate(timeout=30)
    assert re.fullmatch(r"too many connections: there are 32, which is the limit; .*\n", logged), logged


def test_the_limit_leaves_descriptors_for_other_things() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert 192 == connections.Connections().limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- bodies of strangers


def bomb(megabytes: int) -> bytes:
    return gzip.compress(b" " * megabytes * 1024 * 1024)


@pytest.fixture(scope="module")
def closed() -> Iterator[LocalServer]:
    with LocalServer(api_key="key", analysis=None) as server:
        yield server


@pytest.mark.parametrize("path", [QUEUE, "/bc/v1/orgkeys", "/_chaos", "/conversations/v2/sessions"])
def test_without_a_key_no_body_is_waited_for(closed: LocalServer, path: str) -> None:
    method = "PUT" if path == "/_chaos" else "POST"
    with connect(closed.url) as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nContent-Encoding: br\r\n\r\n"
        connection.sendall(head.encode())
        began = time.monotonic()
        assert rest(connection).startswith(b"HTTP/1.1 401 ")
        assert time.monotonic() - began < connections.LINGER_SECONDS + 10


def test_what_a_stranger_sends_is_not_unpacked(closed: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: object) -> None:
        raise AssertionError("it unpacks")

    monkeypatch.setattr(zlib, "decompressobj", unpack)
    reply = requests.post(f"{closed.url}{QUEUE}", bomb(10), headers={"Content-Encoding": "gzip"}, timeout=20)
    assert 401 == reply.status_code


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "x"])
def test_codings_that_cannot_be_bounded_are_refused(closed: LocalServer, coding: str) -> None:
    with (caller := Caller(closed.url)).http:
        reply = caller.post(QUEUE, b"[]", **{"Content-Encoding": coding})
        assert (400, "invalid body") == (reply.status_code, reply.json()["error"])


def test_gzip_and_deflate_are_unpacked(closed: LocalServer) -> None:
    with (caller := Caller(closed.url)).http:
        for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)):
            assert 200 == caller.post(QUEUE, pack(b"[]"), **{"Content-Encoding": coding}).status_code
        assert 413 == caller.post(QUEUE, bomb(100), **{"Content-Encoding": "gzip"}).status_code
        assert 400 == caller.post(QUEUE, gzip.compress(b"[]")[:-1], **{"Content-Encoding": "gzip"}).status_code


def test_a_refusal_reaches_a_client_that_still_sends(closed: LocalServer) -> None:
    for key, expected in (("wrong", 403), ("key", 400)):
        with (caller := Caller(closed.url, key)).http:
            assert expected == caller.post(QUEUE, b"x" * (MAX_BODY - 1)).status_code
