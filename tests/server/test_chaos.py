"""Misbehaviour on demand: what a text says, and what a server makes of it, as a plain client sees it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from mindlytics.server.chaos import CHAOS_PATH, InvalidChaos, Plan, parse
from mindlytics.server.run import LocalServer

from .calls import QUEUE, Caller, track


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(analysis=None) as server:
        yield server


@pytest.fixture
def caller(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    with (caller := Caller(server.url, app_id=request.node.nodeid[-200:])).http:
        yield caller
        behave(caller)


def behave(caller: Caller, text: str = "") -> None:
    reply = caller.http.put(caller.url + CHAOS_PATH, data=text, timeout=20)
    assert (200, {"chaos": text, "requests": 0, "met": {}}) == (reply.status_code, reply.json())


def exchange(caller: Caller, *events: dict[str, object]) -> bytes:
    """All that comes back for a queue request, to the end of the connection, which may be a reset."""
    address = urlsplit(caller.url)
    body = json.dumps(events).encode()
    headers = "".join(f"{name}: {caller.http.headers[name]}\r\n" for name in ("Authorization", "X-App-ID"))
    head = f"POST {QUEUE} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    received = b""
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        while more := connection.recv(65536):
            received += more
    return received


# -- the text


def test_what_a_text_says() -> None:
    text = " 429:20%, 503:5%,latency:2s,reset:1%,lose-ack:5.5%,truncate:0.001%,seed:7 "
    shares = {"429": 20.0, "503": 5.0, "reset": 1.0, "lose-ack": 5.5, "truncate": 0.001}
    assert Plan(text.strip(), shares, 2.0, 7) == parse(text)
    assert Plan() == parse(" ")
    assert (0.05, {"reset": 100.0}) == ((plan := parse("latency:50ms,reset:100%")).latency, plan.shares)
    assert 60.0 == parse("latency:60s").latency


SHARE = "a share must be from 0% to 100%, as in 2.5%"
LATENCY = "latency must be from 0s to 60s, as in 2s or 50ms"
NAME = "must begin with a status from 400 to 599, reset, lose-ack, truncate, latency or seed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("429", f"429: {SHARE}"),
        ("429:20", f"429:20: {SHARE}"),
        ("429:-1%", f"429:-1%: {SHARE}"),
        ("503:101%", f"503:101%: {SHARE}"),
        ("reset:nan%", f"reset:nan%: {SHARE}"),
        ("reset:٣%", f"reset:٣%: {SHARE}"),
        ("429:20%,", f"an empty item: {NAME}"),
        (",", f"an empty item: {NAME}"),
        ("200:20%", f"200:20%: {NAME}"),
        ("RESET:20%", f"RESET:20%: {NAME}"),
        ("loose-ack:2%", f"loose-ack:2%: {NAME}"),
        ("reset=20%", f"reset=20%: {NAME}"),
        ("latency:2", f"latency:2: {LATENCY}"),
        ("latency:61s", f"latency:61s: {LATENCY}"),
        ("latency:20%", f"latency:20%: {LATENCY}"),
        ("seed:x", "seed:x: a seed must be a whole number of 18 digits at most"),
        ("429:1%,reset:2%,429:3%", "429:3%: 429 must be there once"),
        ("429:60%,503:50%", "429:60%,503:50%: all shares together must be at most 100%, not 110%"),
    ],
)
def test_what_no_text_says(text: str, message: str, caller: Caller) -> None:
    with pytest.raises(InvalidChaos) as raised:
        parse(text)
    assert f"chaos: {message}" == str(raised.value)
    reply = caller.http.put(caller.url + CHAOS_PATH, data=text.encode(), timeout=20)
    assert (400, "invalid chaos", f"chaos: {message}") == (reply.status_code, *list(reply.json().values())[:2])


def test_an_invalid_text(caller: Caller) -> None:
    behave(caller, "503:1%")
    reply = caller.http.put(caller.url + CHAOS_PATH, data=b"\xff", timeout=20)
    assert (400, "body") == (reply.status_code, reply.json()["field"])
    assert "503:1%" == caller.get(CHAOS_PATH).json()["chaos"]
    assert 405 == caller.post(CHAOS_PATH, "503:1%").status_code


def test_a_server_does_not_start_with_it() -> None:
    with pytest.raises(InvalidChaos, match="reset:many"), LocalServer(chaos="reset:many"):
        pass


# -- what requests meet


def test_a_status(caller: Caller) -> None:
    behave(caller, "418:100%")
    reply = caller.queue(track())
    message = "chaos makes this server answer with 418 at times"
    assert (418, {"error": "chaos", "message": message}) == (reply.status_code, reply.json())
    assert {"chaos": "418:100%", "requests": 1, "met": {"418": 1}} == caller.get(CHAOS_PATH).json()
    behave(caller)
    assert [] == caller.find("events")


def test_a_reset(caller: Caller) -> None:
    behave(caller, "reset:100%")
    with pytest.raises(ConnectionResetError):
        exchange(caller, track())
    behave(caller)
    assert [] == caller.find("events")


def test_an_acknowledgement_that_is_lost(caller: Caller) -> None:
    behave(caller, "lose-ack:100%")
    with pytest.raises(ConnectionResetError):
        exchange(caller, track())
    behave(caller)
    assert ["Session Started", "Bought"] == caller.names()


def test_an_answer_that_is_cut_off(caller: Caller) -> None:
    behave(caller, "truncate:100%")
    head, _, body = exchange(caller, track()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 15\r\n" in head
    assert b'{"statu' == body
    behave(caller)
    assert ["Session Started", "Bought"] == caller.names()


def test_all_are_late(caller: Caller) -> None:
    behave(caller, "latency:100ms,503:50%,seed:1")
    began = time.monotonic()
    assert {200, 503} == {caller.queue(track()).status_code for _ in range(8)}
    assert 0.8 <= time.monotonic() - began


def test_the_same_seed_makes_the_same_of_the_same_requests(caller: Caller) -> None:
    def run(text: str) -> list[int]:
        behave(caller, text)
        return [caller.queue().status_code for _ in range(40)]

    first = run("429:30%,503:30%,seed:1")
    assert {200, 429, 503} == set(first)
    assert first == run("429:30%,503:30%,seed:1")
    assert first != run("429:30%,503:30%,seed:2")
    assert run("429:30%,503:30%") == run("429:30%,503:30%,seed:0")


def test_how_many_meet_what_is_as_the_text_says(caller: Caller) -> None:
    behave(caller, "429:30%,500:10%")
    for _ in range(300):
        caller.queue()
    answer = caller.get(CHAOS_PATH).json()
    assert 300 == answer["requests"]
    assert 60 <= answer["met"]["429"] <= 120
    assert 10 <= answer["met"]["500"] <= 50


def test_a_listener_meets_it_before_the_connection_is_open() -> None:
    with LocalServer(live_port=0, analysis=None) as server, (caller := Caller(server.url)).http:
        key = caller.get("/bc/v1/live-events/realtime").json()["authorization_key"]
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Authorization": f"Bearer {key}"}
        for fate in ("lose-ack", "truncate"):
            behave(caller, f"{fate}:100%")
            for url in (f"{caller.url}/live", server.live_url.replace("ws", "http", 1)):
                with pytest.raises(requests.ConnectionError):
                    requests.get(url, headers=headers, timeout=20)
            assert {fate: 2} == caller.get(CHAOS_PATH).json()["met"]


def test_the_health_check_answers_all_the_same(caller: Caller) -> None:
    behave(caller, "503:100%")
    assert 200 == caller.get("/healthz").status_code
    assert 503 == caller.get("/openapi.json").status_code


def test_who_may_set_the_chaos() -> None:
    with LocalServer(super_key="super", api_key="pinned", chaos="503:0%") as server:
        issued = Caller(server.url, "super").post("/bc/v1/orgkeys", {"organization_id": "mill"}).json()["apikey"]
        statuses = {}
        for key in ("super", "pinned", issued, "another"):
            with (caller := Caller(server.url, key)).http:
                statuses[key] = {caller.http.put(server.url + CHAOS_PATH, timeout=20).status_code}
                statuses[key].add(caller.get(CHAOS_PATH).status_code)
        assert {"super": {200}, "pinned": {200}, issued: {403}, "another": {403}} == statuses
        assert 401 == requests.put(server.url + CHAOS_PATH, timeout=20).status_code
    with LocalServer() as server:
        assert 200 == requests.put(server.url + CHAOS_PATH, timeout=20).status_code
