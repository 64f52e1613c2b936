"""Which requests are answered at all, over sockets: those that name this server and come from no foreign page."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from mindlytics.server.guard import InvalidHost, host_of
from mindlytics.server.http import InvalidKey
from mindlytics.server.run import LocalServer

from .calls import QUEUE, Caller, track

FIND = "/bc/v1/db/events/find"
EVIL = "attacker.example"


@pytest.fixture(scope="module")
def open_server() -> Iterator[LocalServer]:
    with LocalServer(analysis=None, live_port=0, allowed_hosts=["Analytics.lan", "proxy.lan:8443"]) as server:
        yield server


def ask(url: str, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, dict[str, str]]:
    """The status and the JSON of one request with exactly these headers. ``Host`` is right unless it is among them."""
    address = urlsplit(url)
    lines = {"Host": address.netloc, "Authorization": "Bearer local", "X-App-ID": "local"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode() + body)
        answer = connection.makefile("rb").read()
    status, _, rest = answer.partition(b"\r\n")
    payload = rest.partition(b"\r\n\r\n")[2]
    return int(status.split()[1]), json.loads(payload) if payload.startswith(b"{") else {}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost:3000",
        "LOCALHOST",
        "localhost.",
        "app.localhost:80",
        "[::1]:3000",
        "127.8.9.1",
        "proxy.lan",
    ],
)
def test_names_of_the_server_are_answered(open_server: LocalServer, host: str) -> None:
    assert 200 == ask(open_server.url, FIND, Host=host)[0]


@pytest.mark.parametrize("host", [EVIL, f"{EVIL}:3000", "localhost.attacker.example", "10.0.0.1", "0.0.0.0", "[::2]"])
@pytest.mark.parametrize(
    "path", [FIND, "/", "/healthz", "/openapi.json", "/_chaos", "/nowhere", "/conversations/v2/agents/a"]
)
def test_other_names_are_refused(open_server: LocalServer, path: str, host: str) -> None:
    status, answer = ask(open_server.url, path, Host=host)
    assert (403, "forbidden") == (status, answer["error"])
    assert "--allowed-host" in answer["message"]


@pytest.mark.parametrize("host", ["", "local host", "user@localhost", "localhost/x", "[::1", "localhost:port"])
def test_an_invalid_name_is_refused(open_server: LocalServer, host: str) -> None:
    assert 400 == ask(open_server.url, FIND, Host=host)[0]


def test_a_page_at_a_foreign_name_changes_nothing(open_server: LocalServer) -> None:
    body = json.dumps(track("Forged")).encode()
    for method, path, sent in (("POST", QUEUE, body), ("PUT", "/_chaos", b"503:100%")):
        assert 403 == ask(open_server.url, path, method, sent, Host=EVIL)[0]
        assert 403 == ask(open_server.url, path, method, sent, Origin=f"http://{EVIL}")[0]
        assert 403 == ask(open_server.url, path, method, sent, Sec_Fetch_Site="cross-site")[0]
    with (caller := Caller(open_server.url, "local", "local")).http:
        assert [] == caller.find("events", filter={"event": "Forged"})
        assert "" == caller.get("/_chaos").json()["chaos"]


def test_pages_of_other_sites_are_refused(open_server: LocalServer) -> None:
    own = urlsplit(open_server.url).netloc
    for origin in (f"http://{own}", "https://proxy.lan:8443", "http://analytics.lan"):
        assert 200 == ask(open_server.url, FIND, Origin=origin)[0], origin
    for origin in (
        "null",
        "http://localhost:1",
        "http://127.0.0.1",
        f"http://{own}.{EVIL}",
        "https://proxy.lan",
        "file:///",
    ):
        assert 403 == ask(open_server.url, FIND, Origin=origin)[0], origin
    assert 200 == ask(open_server.url, FIND, Sec_Fetch_Site="same-origin")[0]
    assert 403 == ask(open_server.url, FIND, Sec_Fetch_Site="same-site")[0]


def test_a_link_to_the_server_may_be_followed_and_not_be_framed(open_server: LocalServer) -> None:
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert 200 == ask(open_server.url, "/", Sec_Fetch_Dest="document", **followed)[0]
    assert 403 == ask(open_server.url, "/", Sec_Fetch_Dest="iframe", **followed)[0]
    assert 403 == ask(open_server.url, QUEUE, "POST", b"[]", Sec_Fetch_Dest="document", **followed)[0]


def test_a_websocket_of_another_site_is_refused(open_server: LocalServer) -> None:
    with (caller := Caller(open_server.url)).http:
        key = caller.get("/bc/v1/live-events/realtime").json()["authorization_key"]
    wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Authorization": f"Bearer {key}"}
    wanted |= {"Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    for url, path in ((open_server.url, "/live"), (open_server.live_url.replace("ws", "http", 1), "/")):
        assert 403 == ask(url, path, Origin=f"http://{EVIL}", **wanted)[0]
        assert 403 == ask(url, path, Host=EVIL, **wanted)[0]


@pytest.mark.parametrize("name", ["", "two words", "a/b", "http://host"])
def test_an_allowed_host_is_a_name(name: str) -> None:
    with pytest.raises(InvalidHost), LocalServer(allowed_hosts=[name]):
        pass


def test_what_a_header_names() -> None:
    hosts = ("Host.Example:80", "[::1]:80", "host", "", ":80", "a:b:c", "a b", "host:80:80")
    assert ["host.example", "::1", "host", None, None, None, None, None] == [host_of(text) for text in hosts]


# -- keys


@pytest.mark.parametrize("key", ["", " ", "a b", "key\n", "x" * 256])
@pytest.mark.parametrize("name", ["api_key", "super_key"])
def test_a_key_that_cannot_be_sent_starts_no_server(name: str, key: str) -> None:
    with pytest.raises(InvalidKey, match=name.replace("_", " ").replace("api", "API")), LocalServer(**{name: key}):  # type: ignore[arg-type]
        pass


def test_programs_with_different_keys_meet_where_any_is_taken(open_server: LocalServer) -> None:
    with (one := Caller(open_server.url, "abc", "shop")).http, (other := Caller(open_server.url, "local", "shop")).http:
        one.take(track())
        assert ["Session Started", "Bought"] == other.names() == one.names()
        agent = {"name": "Ann", "type": "ai", "assistant_id": "a"}
        assert 201 == one.post("/conversations/v2/agents", agent).status_code
        assert ["Ann"] == [agent["name"] for agent in other.post("/conversations/v2/agents/search", {}).json()]
