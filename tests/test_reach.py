"""Proxies, credentials and a caller's own session: what requests honour on both faces."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from mindlytics import AsyncClient
from mindlytics.transport.proxies import proxy_for

from .conftest import Face, entered, result
from .live_service import Heard, LiveService
from .sink import Sink


async def deliver_one(client: Any, timeout: float = 10) -> Any:
    await result(client.create_session(id="u").track_event(event="e"))
    return await result(client.flush(timeout))


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    """An HTTP proxy that answers itself, and remembers what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.server.asked.append((self.path, self.headers["Authorization"]))  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


async def test_the_environments_proxy_is_used_unless_trust_env_is_off(
    face: Face, sink: Sink, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
    service = "http://service.invalid"
    assert 1 == (await deliver_one(face.client(server_endpoint=service))).delivered
    assert proxy.asked == [(f"{service}/bc/v1/events/queue", "Bearer key-1")]
    assert 1 == (await deliver_one(face.client(trust_env=False))).delivered
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert 1 == (await deliver_one(face.client(flush_interval=0.1))).delivered
    assert 1 == len(proxy.asked)
    assert 2 == len(sink.events)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of another service on this machine."""
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login somebody password else\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.usefixtures("netrc")
async def test_an_entry_in_netrc_does_not_replace_the_key(face: Face, sink: Sink) -> None:
    assert 1 == (await deliver_one(face.client())).delivered
    assert "Bearer key-1" == sink.requests[0].headers["Authorization"]


AUTH_WARNS = pytest.mark.filterwarnings("ignore:(BasicAuth is|The 'auth' parameter is) deprecated:DeprecationWarning")
"""From aiohttp 3.14 on."""


@AUTH_WARNS
@pytest.mark.usefixtures("netrc")
async def test_credentials_of_a_callers_own_session_do_not_replace_the_key(face: Face, sink: Sink) -> None:
    by_netrc: Any = aiohttp.ClientSession(trust_env=True) if face.is_async else requests.Session()
    by_auth: Any = aiohttp.ClientSession(auth=aiohttp.BasicAuth("a", "b")) if face.is_async else requests.Session()
    if not face.is_async:
        by_auth.auth = ("a", "b")
    for own in (by_netrc, by_auth):
        async with entered(own):
            client = face.client(http_client=own)
            assert 1 == (await deliver_one(client)).delivered
            await result(client.user_identify(id="u"))
    assert ["Bearer key-1"] * 4 == [request.headers["Authorization"] for request in sink.requests]


@AUTH_WARNS
@pytest.mark.usefixtures("netrc")
async def test_credentials_of_a_callers_own_session_do_not_replace_the_key_of_live_events(
    service: LiveService,
) -> None:
    heard = Heard()
    async with aiohttp.ClientSession(trust_env=True) as own:
        client = Face(AsyncClient, service.url).client(http_client=own)
        async with client, client.create_session(on_event=heard.on_event) as session:
            await session.track_event(event="Hello")
    assert ["Session Started", "Hello", "Session Ended"] == heard.names


async def test_a_callers_own_session_that_trusts_the_environment_is_warned_of_nothing(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", "/there/is/none")
    async with aiohttp.ClientSession(trust_env=True) as own:
        client = Face(AsyncClient, sink.url).client(http_client=own)  # a warning would be an error, and delay it
        assert 1 == (await deliver_one(client)).delivered
        await client.close()
    assert "Bearer key-1" == sink.requests[0].headers["Authorization"]


async def test_a_callers_own_session_is_used_and_left_open(face: Face, sink: Sink) -> None:
    own: Any
    own = aiohttp.ClientSession(headers={"X-Mine": "1"}) if face.is_async else requests.Session()
    if not face.is_async:
        own.headers["X-Mine"] = "1"
    client = face.client(http_client=own)
    assert 1 == (await deliver_one(client)).delivered
    await result(client.user_identify(id="u"))
    await result(client.close())
    assert ["1", "1"] == [request.headers["X-Mine"] for request in sink.requests]
    if face.is_async:
        assert not own.closed
        async with own.post(sink.url + "/still-open", data=b"{}") as reply:
            assert 200 == reply.status
    else:
        assert 200 == own.post(sink.url + "/still-open", data=b"{}").status_code
    await result(own.close())


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "HTTP_PROXY", "all_proxy"])
async def test_a_proxy_is_named_alike(face: Face, proxy: Any, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    name = form if form.endswith(("PROXY", "proxy")) else "http_proxy"
    monkeypatch.setenv(name, (form if "{}" in form else "127.0.0.1:{}").format(proxy.server_port))
    assert 1 == (await deliver_one(face.client(server_endpoint="http://service.invalid"))).delivered
    assert 1 == len(proxy.asked)


EXCEPTIONS = {
    "*": True,
    "127.0.0.1": True,
    "127.0.0.0/8": True,
    "10.0.0.0/8, 127.0.0.0/8": True,
    "127.0.0.1:{port}": True,
    "127.0.0.1:1": False,
    "128.0.0.0/8": False,
    "0.0.1": False,
    "127.0.0.1.example.com": False,
}


@pytest.mark.parametrize("rule", EXCEPTIONS)
async def test_exceptions_from_the_proxy_are_read_alike(
    face: Face, sink: Sink, proxy: Any, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("no_proxy", rule.format(port=sink.port))
    assert 1 == (await deliver_one(face.client())).delivered
    assert (EXCEPTIONS[rule], not EXCEPTIONS[rule]) == (bool(sink.events), bool(proxy.asked))


@pytest.mark.parametrize(
    ("url", "rule", "excepted"),
    [
        ("http://api.example.com/x", "example.com", True),
        ("http://api.example.com/x", ".example.com", True),
        ("http://api.example.com/x", "*.example.com", True),
        ("http://example.com/x", ".example.com", True),
        ("http://API.Example.COM./x", "example.com", True),
        ("http://notexample.com/x", "example.com", False),
        ("http://example.com/x", "example.com:80", True),
        ("http://example.com/x", "example.com:8080", False),
        ("https://example.com/x", "example.com:443", True),
        ("http://[fe80::1]/x", "fe80::/10", True),
        ("http://[::1]:80/x", "[::1]", True),
        ("http://[::1]:80/x", "[::1]:80", True),
        ("http://10.1.2.3/x", "10.0.0.0/8", True),
        ("http://10.1.2.3/x", "10.1.0.0/255.255.0.0", True),
        ("http://10.1.2.3/x", "fe80::/10,,nonsense/99", False),
        ("wss://example.com/x", "other.com", False),
    ],
)
def test_exceptions_from_a_proxy(monkeypatch: pytest.MonkeyPatch, url: str, rule: str, excepted: bool) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "proxy.example:3128")
    monkeypatch.setenv("no_proxy", rule)
    assert (None if excepted else "http://proxy.example:3128") == proxy_for(url)
