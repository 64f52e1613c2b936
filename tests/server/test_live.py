"""Live events over real sockets: keys, who hears what, order, slow listeners, the end, and reading back."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
import requests

from mindlytics.server import live, run
from mindlytics.server.run import LocalServer

from .calls import Caller, event, track, turn

Socket = aiohttp.ClientWebSocketResponse
REALTIME = "/bc/v1/live-events/realtime"
RECENT = "/bc/v1/live-events/events"


@asynccontextmanager
async def connected(url: str, key: str, **options: Any) -> AsyncIterator[Socket]:
    """A listener."""
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers, **options) as socket:
        yield socket


@asynccontextmanager
async def listening(caller: Caller, session_id: str | None = None) -> AsyncIterator[Socket]:
    """A listener to what a caller may hear."""
    answer = caller.get(REALTIME, **({"session_id": session_id} if session_id else {})).json()
    async with connected(answer["url"], answer["authorization_key"]) as socket:
        yield socket


async def get(url: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as reply:
        return reply.status, await reply.json()


async def heard(socket: Socket, until: str) -> list[dict[str, Any]]:
    """The events up to the first one of this name."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["event"] != until:
        events.append(await socket.receive_json(timeout=30))
    return events


async def test_stored_events_are_sent_live_in_order(caller: Caller) -> None:
    async with listening(caller) as socket:
        caller.take(event("start_session", attributes={"shop": "Mill Street"}), turn("a", "b"), turn("c", "d", "c2"))
        caller.take(event("identify", id="u", traits={"plan": "pro"}), track(), event("end_session"))
        events = await heard(socket, "Session Ended")
    assert caller.find("events") == events
    names = [
        "Session Started",
        *("Conversation Started", "Conversation Turn") * 2,
        *("User Identified", "Bought", "Conversation Ended", "Conversation Ended", "Session Ended"),
    ]
    assert names == [e["event"] for e in events]
    assert events[2]["event_id"] == events[1]["origin_event_id"]
    assert events[-1]["event_id"] == events[-2]["origin_event_id"]
    assert {"plan": "pro"} == events[6]["user_traits"]


async def test_a_session_that_tracks_one_event_and_ends(caller: Caller) -> None:
    async with listening(caller, "s") as socket:
        caller.take(track(), event("end_session"))
        events = await heard(socket, "Session Ended")
        assert ["Session Started", "Bought", "Session Ended"] == [e["event"] for e in events]


async def test_each_receives_only_its_own(caller: Caller, server: LocalServer) -> None:
    others = [Caller(server.url, app_id="another listener"), Caller(server.url, app_id="a third listener")]
    async with listening(caller) as all_of_it, listening(caller, "mine") as mine, listening(others[0]) as foreign:
        for number, who in enumerate([*others, caller]):
            who.take(track(f"from {number}"), track(f"from {number}", session_id="mine"), event("end_session"))
            who.take(event("end_session", session_id="mine"))
            who.http.close()
        assert {"from 2", "Session Started"} == {e["event"] for e in (await heard(mine, "Session Ended"))[:-1]}
        events = await heard(all_of_it, "Session Ended") + await heard(all_of_it, "Session Ended")
        assert caller.find("events") == events
        assert {"mine", "s"} == {e["session_id"] for e in events}
        events = await heard(foreign, "Session Ended") + await heard(foreign, "Session Ended")
        assert {"from 0", "Session Started", "Session Ended"} == {e["event"] for e in events}


async def test_refused_events_are_not_sent_live(caller: Caller) -> None:
    nameless = {"type": "track", "event": "Lost", "session_id": "new"}
    async with listening(caller) as socket:
        assert 400 == caller.queue(track("Lost"), nameless).status_code
        caller.queue(track("First"), key="k")
        caller.queue(track("First"), key="k")
        caller.take(track("Last"))
        assert ["Session Started", "First", "Last"] == [e["event"] for e in await heard(socket, "Last")]


async def test_nothing_is_lost_or_out_of_order_among_many_who_send(caller: Caller) -> None:
    def send(session_id: str) -> None:
        with (own := Caller(caller.url, app_id=caller.http.headers["X-App-ID"])).http:
            for batch in range(20):
                events = [track(session_id=session_id, properties={"n": batch * 20 + i}) for i in range(20)]
                own.take(*events)

    async with listening(caller) as all_of_it, listening(caller, "s1") as one:
        threads = [threading.Thread(target=send, args=(f"s{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        events = [await all_of_it.receive_json(timeout=30) for _ in range(4 * 401)]
        for thread in threads:
            thread.join()
        assert [e["event_id"] for e in caller.find("events")] == [e["event_id"] for e in events]
        of_one = [e for e in events if e["session_id"] == "s1"]
        for session_id in ("s0", "s1", "s2", "s3"):
            of_session = [e for e in events if e["session_id"] == session_id][1:]
            assert list(range(400)) == [e["properties"]["n"] for e in of_session]
        assert of_one == [await one.receive_json(timeout=30) for _ in range(401)]


async def test_keys(caller: Caller, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(key: str | None, word: str) -> None:
        status, answer = await get(server.url + live.LIVE_PATH, key)
        assert (401, "unauthorized") == (status, answer["error"])
        assert word in answer["message"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with connected(server.live_url, key or ""):
                pass
        assert 401 == caught.value.status

    key = caller.get(REALTIME).json()["authorization_key"]
    for bad in (None, ""):
        await refused(bad, "authorization_key")
    for foreign in ("key", key[:-1], key[1:], f"{key}x", "a.b", ".", key.replace(".", ""), "é"):
        await refused(foreign, "authorization_key of this server")
    raw = {"Authorization": b"Bearer \xff.\xff"}
    reply = await asyncio.to_thread(requests.get, server.url + live.LIVE_PATH, headers=raw, timeout=20)
    assert 401 == reply.status_code
    with LocalServer() as other:
        assert 401 == (await get(other.url + live.LIVE_PATH, key))[0]
    monkeypatch.setattr(live, "KEY_SECONDS", -0.001)
    await refused(caller.get(REALTIME).json()["authorization_key"], "expired")


async def test_a_key_needs_credentials_and_a_valid_session(caller: Caller, server: LocalServer) -> None:
    assert (400, "session_id") == ((r := caller.get(REALTIME, session_id="x" * 101)).status_code, r.json()["field"])
    caller.http.headers.pop("X-App-ID")
    assert 401 == caller.get(REALTIME).status_code
    assert 401 == (await get(server.url + REALTIME))[0]


async def test_no_websocket_is_asked_for(caller: Caller, server: LocalServer) -> None:
    key = caller.get(REALTIME).json()["authorization_key"]
    status, answer = await get(server.url + live.LIVE_PATH, key)
    assert (426, "upgrade required") == (status, answer["error"])


async def test_what_a_listener_says_does_no_harm(caller: Caller) -> None:
    async with listening(caller) as socket:
        for said in ('"hello"', '{"event": "Session Ended"}', "[" * 100 + "]" * 100, "0", json.dumps("é" * 1000)):
            await socket.send_str(said)
        await socket.ping(b"there?")
        caller.take(track())
        assert ["Session Started", "Bought"] == [e["event"] for e in await heard(socket, "Bought")]


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        *((text, 1007, "a frame must be JSON") for text in ("", "hello", "{", "\x00", "[" * 5000, "NaN")),
        *((data, 1003, "a frame must be text") for data in (b"", b"\xff\x00", b"{}")),
        (bytes(5 * 1024 * 1024), 1009, ""),
    ],
    ids=range(10),
)
async def test_a_listener_that_sends_invalid_json_gets_an_error(
    caller: Caller, said: str | bytes, code: int, reason: str
) -> None:
    async with listening(caller) as loud, listening(caller) as socket:
        with suppress(ConnectionError):  # a frame that is too large is cut off in the middle
            await (loud.send_str(said) if isinstance(said, str) else loud.send_bytes(said))
        message = await loud.receive(timeout=30)
        if code != 1009 or message.type is aiohttp.WSMsgType.CLOSE:
            assert (aiohttp.WSMsgType.CLOSE, code) == (message.type, message.data)
            assert reason in message.extra
        caller.take(track())
        assert ["Session Started", "Bought"] == [e["event"] for e in await heard(socket, "Bought")]


def deaf(socket: Socket) -> asyncio.ReadTransport:
    """The transport of a listener who reads no more."""
    assert socket._response.connection is not None
    transport = socket._response.connection.transport
    assert isinstance(transport, asyncio.ReadTransport)
    transport.pause_reading()
    return transport


BIG = {"text": "x" * 900_000}


async def test_a_slow_listener_is_cut_off(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_WAITING", 2_000_000)
    monkeypatch.setattr(live, "CLOSE_SECONDS", 30.0)
    async with listening(caller) as quick, listening(caller) as slow:
        transport = deaf(slow)
        for n in range(30):  # the kernel holds some megabytes for a listener
            caller.take(track("Big", properties={"n": n, **BIG}))
            assert n == (await heard(quick, "Big"))[-1]["properties"]["n"]
        transport.resume_reading()
        numbers = []
        while (message := await slow.receive(timeout=30)).type is aiohttp.WSMsgType.TEXT:
            numbers.append(json.loads(message.data)["properties"].get("n"))
        assert (aiohttp.WSMsgType.CLOSE, 1013) == (message.type, message.data)
        assert "slow" in message.extra
        assert [None, *range(len(numbers) - 1)] == numbers
        assert len(numbers) < 30
        caller.take(track("Last"))
        assert ["Last"] == [e["event"] for e in await heard(quick, "Last")]


async def test_listeners_learn_that_the_server_stops() -> None:
    with LocalServer(live_port=0) as server, (caller := Caller(server.url)).http:
        key = caller.get(REALTIME).json()["authorization_key"]
        urls = [server.url + live.LIVE_PATH, server.live_url]
        async with connected(urls[0], key) as one, connected(urls[1], key) as two, connected(urls[0], key) as third:
            transport = deaf(third)
            caller.take(*(track(properties={"text": "x" * 90_000}) for _ in range(10)), track("Last"))
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            for socket in (one, two):
                await heard(socket, "Last")
                message = await socket.receive(timeout=30)
                assert (aiohttp.WSMsgType.CLOSE, 1001) == (message.type, message.data)
            await asyncio.wait_for(stopping, 30)
            transport.resume_reading()


async def test_a_listener_who_gives_no_sign_of_life(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.1)
    answer = caller.get(REALTIME).json()
    async with connected(answer["url"], answer["authorization_key"], autoping=False) as silent:
        assert aiohttp.WSMsgType.PING == (await silent.receive(timeout=30)).type
        while (message := await silent.receive(timeout=30)).type is aiohttp.WSMsgType.PING:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_a_port_for_live_events_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(run, "LIVE_PORTS", {port: 0})
    with LocalServer(port=port) as server, (caller := Caller(server.url)).http:
        assert "ws://127.0.0.1" == server.live_url.rpartition(":")[0]
        assert server.url.rpartition(":")[2] != server.live_url.rpartition(":")[2]
        key = caller.get(REALTIME).json()["authorization_key"]
        for url in (server.live_url, f"{server.live_url}/any/path", server.url, server.url + live.LIVE_PATH):
            async with connected(url, key) as listener:
                caller.take(track(session_id=url))
                assert ["Session Started", "Bought"] == [e["event"] for e in await heard(listener, "Bought")]


def test_the_ports_of_live_events() -> None:
    assert (10, 4000, 4009) == (len(run.LIVE_PORTS), run.LIVE_PORTS[3000], run.LIVE_PORTS[3009])


async def test_a_port_for_live_events_that_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with LocalServer(live_port=port) as server, (caller := Caller(server.url)).http:
            assert server.url.replace("http", "ws") + live.LIVE_PATH == server.live_url
            assert f"port {port} on 127.0.0.1 is in use" in caplog.text
            assert server.live_url in caplog.text
            async with connected(server.live_url, caller.get(REALTIME).json()["authorization_key"]) as listener:
                caller.take(track())
                assert ["Session Started", "Bought"] == [e["event"] for e in await heard(listener, "Bought")]


def test_reading_back_newest_first(caller: Caller) -> None:
    def at(second: int) -> str:
        return f"2025-04-03T07:35:{second}.000Z"

    caller.take(*(track(f"E{i}", timestamp=at(10 + i)) for i in (0, 2, 1, 3)))
    named = {"start": "2025-04-03T09:35:11+02:00", "end": at(13)}
    events = caller.get(RECENT, **named).json()
    assert ["E3", "E2", "E1"] == [e["event"] for e in events]
    assert caller.one("events", filter={"event": "E3"}) == events[0]
    assert ["E3"] == [e["event"] for e in caller.get(RECENT, **named, limit=1).json()]
    everything = {"start": "2025-04-03", "end": "2025-04-04"}
    assert ["E3", "E2", "E1", "E0", "Session Started"] == [e["event"] for e in caller.get(RECENT, **everything).json()]
    caller.take(*(track(f"E{i}", timestamp=at(20)) for i in range(200)))
    events = caller.get(RECENT, **everything).json()
    assert [f"E{i}" for i in range(199, 49, -1)] == [e["event"] for e in events]
    assert 205 == len(caller.get(RECENT, **everything, limit=0).json())
    assert [] == caller.get(RECENT, start="2025-04-04", end="2025-04-03").json()
    caller.take(track("Other", session_id="other", timestamp=at(20)))
    events = caller.get(RECENT, **everything, session_id="other").json()
    assert ["Other", "Session Started"] == [e["event"] for e in events]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "start"),
        ({"start": "2025-04-03"}, "end"),
        ({"start": "soon", "end": "2025-04-03"}, "start"),
        ({"start": "2025-04-03", "end": "2025-04-03T25:00:00Z"}, "end"),
        ({"start": "2025-04-03", "end": "2025-04-04", "limit": "-1"}, "limit"),
    ],
)
def test_reading_back_needs_a_span(caller: Caller, parameters: dict[str, str], field: str) -> None:
    reply = caller.get(RECENT, **parameters)
    assert (400, field) == (reply.status_code, reply.json()["field"])
    assert field in reply.json()["message"]
