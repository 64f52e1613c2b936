"""Live events when a connection or the service fails: listeners reconnect, and delivery is unaffected."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from mindlytics import AsyncClient, LiveError, MLEvent
from mindlytics.live.subscription import MAX_READ_BACK
from mindlytics.live.wire import PAGE

from . import sink as faults
from .conftest import Face, entered, eventually, result
from .live_service import Heard, LiveService, as_datetime, body, is_dead, sends, slow, status
from .sink import Sink

STARTED, ENDED = "Session Started", "Session Ended"


@pytest.mark.parametrize(
    "fault", [status(500), status(503, Retry_After="0"), status(429), slow], ids=["500", "503", "429", "slow"]
)
async def test_a_key_that_does_not_come_is_asked_for_again(live: Face, service: LiveService, fault: Any) -> None:
    heard = Heard()
    service.token_plan.extend([fault, fault] if fault is not slow else [fault])
    client = live.client(request_timeout=0.3 if fault is slow else 10)
    async with entered(client.create_session(on_event=heard.on_event, on_error=heard.on_error)) as session:
        await result(session.track_event(event="Hello"))
    assert ([STARTED, "Hello", ENDED], []) == (heard.names, heard.errors)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(status(401), 401), (status(403), 403), (status(404), 404), (body("{}"), 200), (body("<html>"), 200)],
    ids=["401", "403", "404", "no key", "no JSON"],
)
async def test_a_final_refusal_is_reported_and_not_waited_for(
    live: Face, service: LiveService, fault: Any, code: int
) -> None:
    heard = Heard()
    service.token_always = fault
    client = live.client(live_timeout=60)
    began = time.monotonic()
    async with entered(client.create_session(on_event=heard.on_event, on_error=heard.on_error)) as session:
        await result(session.track_event(event="Hello"))
    assert time.monotonic() - began < 30
    (error,) = heard.errors
    assert isinstance(error, LiveError)
    assert (code, [], 1) == (error.status, heard.names, len(service.asked))
    assert 2 == client.stats().delivered


async def test_a_start_that_is_abandoned_leaves_no_listener(live: Face, service: LiveService) -> None:
    if not live.is_async:
        pytest.skip("a call that blocks cannot be cancelled")
    service.token_always = slow
    client = live.client()
    starting = asyncio.create_task(client.start_listening(print))
    await eventually(lambda: len(service.asked) == 1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await eventually(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "mindlytics-listener"])


async def test_a_websocket_that_is_refused_again_is_refused_for_good(live: Face, service: LiveService) -> None:
    client = live.client(wss_endpoint=service.live_url.replace("/live", "/nowhere"))
    with pytest.raises(LiveError, match=r"status 404.*the WebSocket was refused"):
        await result(client.start_listening(print))
    assert 2 == len(service.asked)


async def test_a_websocket_is_refused_where_the_callers_session_raises_for_bad_statuses(service: LiveService) -> None:
    nowhere = service.live_url.replace("/live", "/nowhere")
    face = Face(AsyncClient, service.url)
    async with (
        aiohttp.ClientSession(raise_for_status=True) as own,
        face.client(wss_endpoint=nowhere, http_client=own) as client,
    ):
        with pytest.raises(LiveError, match=r"status 404.*the WebSocket was refused"):
            await client.start_listening(print)


async def test_an_unreachable_address_does_not_delay_delivery(live: Face, service: LiveService) -> None:
    client = live.client(wss_endpoint="ws://127.0.0.1:9", live_timeout=0.2)
    async with entered(client.create_session(on_event=print)) as session:
        await result(session.track_event(event="Hello"))
    assert 2 == client.stats().delivered


async def test_a_service_without_live_events_loses_and_delays_nothing(face: Face, sink: Sink) -> None:
    heard = Heard()
    client = face.client(live_timeout=60)
    async with entered(client.create_session(on_event=heard.on_event, on_error=heard.on_error)) as session:
        await result(session.track_event(event="Hello"))
    assert ["Hello"] == sink.names()
    assert ([], ["no live events (status 200): the reply lacks an authorization_key"]) == (
        heard.names,
        [str(error) for error in heard.errors],
    )


async def test_nothing_is_waited_for_where_nothing_arrived(face: Face, sink: Sink) -> None:
    sink.always = faults.status(503)
    client = face.client(live_timeout=60, retry_for=0)
    began = time.monotonic()
    async with entered(client.create_session(on_event=print)) as session:
        await result(session.track_event(event="Hello"))
    assert time.monotonic() - began < 30
    assert 2 == client.stats().dropped


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1011, 1012, 4000])
async def test_a_connection_that_ends_is_made_again_with_a_fresh_key(
    live: Face, service: LiveService, code: int
) -> None:
    heard = Heard()
    made = service.make("a")
    service.socket_plan.append(sends(orjson.dumps(made).decode(), code=0 if code == 1006 else code))
    await result(live.client().start_listening(heard.on_event, heard.on_error))
    await eventually(lambda: service.open == 1)
    service.publish("b")
    await eventually(lambda: heard.names == ["a", "b"])
    assert (["live-1", "live-2"], []) == (service.keys, heard.errors)


async def test_what_happens_without_a_connection_is_read_back_in_order(live: Face, service: LiveService) -> None:
    heard = Heard()
    await result(live.client().start_listening(heard.on_event))
    service.publish("a")
    await eventually(lambda: heard.names == ["a"])
    service.token_always = status(500)
    service.cut()
    await eventually(lambda: service.open == 0)
    for name in "bcd":
        service.publish(name)
    service.token_always = None
    await eventually(lambda: len(heard.events) == 4)
    service.publish("e")
    await eventually(lambda: len(heard.events) == 5)
    assert [*"abcde"] == heard.names


@pytest.mark.parametrize("silent", [False, True], ids=["cut off", "silent"])
async def test_what_is_missed_while_a_handler_is_slow_is_read_back(
    live: Face, service: LiveService, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    monkeypatch.setattr("mindlytics.live.subscription.MARGIN", timedelta(0))
    monkeypatch.setattr("mindlytics.transport.websocket.QUIET", 0.1)
    monkeypatch.setattr("mindlytics.transport.websocket.PATIENCE", 0.1)
    monkeypatch.setattr("mindlytics.transport.websocket.CALM", timedelta(seconds=0.1))
    heard: list[str] = []

    def on_event(event: MLEvent) -> None:
        heard.append(event.event)
        if event.event == "a":
            service.cut()
            service.publish("b")
            service.publish("c")
            time.sleep(0.02)

    async def begin(socket: web.WebSocketResponse) -> None:
        await socket.send_str(orjson.dumps(service.make("a")).decode())
        await is_dead(socket)

    if silent:
        service.socket_plan.append(begin)
    await result(live.client().start_listening(on_event))
    if not silent:
        await eventually(lambda: service.open == 1)
        service.publish("a")
    await eventually(lambda: len(heard) == 3)
    assert [*"abc"] == heard


@pytest.mark.parametrize("sign", ["an event", "an answer"])
async def test_what_was_surely_received_is_not_asked_for_again(
    live: Face, service: LiveService, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    asked: list[str] = []

    async def read_back(request: web.Request) -> web.Response:
        asked.append(request.query["start"])
        return web.json_response([])

    monkeypatch.setattr("mindlytics.live.subscription.MARGIN", timedelta(0))
    monkeypatch.setattr("mindlytics.transport.websocket.QUIET", 0.1 if sign == "an answer" else 20)
    monkeypatch.setattr("mindlytics.transport.websocket.CALM", timedelta(seconds=0.1))
    service.events_plan += [read_back, read_back]
    heard = Heard()
    await result(live.client().start_listening(heard.on_event))
    service.publish("a")
    await eventually(lambda: heard.names == ["a"])
    await asyncio.sleep(0.3)
    service.publish("b")
    await eventually(lambda: heard.names == ["a", "b"])
    service.cut()
    await eventually(lambda: len(asked) == 2)
    rounding = timedelta(milliseconds=1)
    assert as_datetime(asked[1]) + rounding > as_datetime(service.published[0]["timestamp"])


async def test_what_cannot_be_read_back_for_now_is_read_back_later(live: Face, service: LiveService) -> None:
    heard = Heard()
    await result(live.client().start_listening(heard.on_event))
    service.publish("a")
    await eventually(lambda: heard.names == ["a"])
    service.token_always = status(500)
    service.cut()
    await eventually(lambda: service.open == 0)
    service.publish("b")
    service.events_plan += [status(503), status(429)]
    service.token_always = None
    await eventually(lambda: heard.names == ["a", "b"])
    service.publish("c")
    await eventually(lambda: heard.names == [*"abc"])


@pytest.mark.parametrize(
    ("missed", "expected"),
    [(PAGE, PAGE), (2 * PAGE + 1, 2 * PAGE + 1), (MAX_READ_BACK + 2, MAX_READ_BACK - 4)],  # 5 pages share 4 events
)
async def test_many_missed_events_are_read_back_in_pages_the_newest_where_they_are_too_many(
    live: Face, service: LiveService, missed: int, expected: int
) -> None:
    heard = Heard()
    await result(live.client().start_listening(heard.on_event))
    service.publish("a")
    await eventually(lambda: heard.names == ["a"])
    service.token_always = status(500)
    service.cut()
    await eventually(lambda: service.open == 0)
    began = datetime.now(timezone.utc)
    moments = [(began + timedelta(microseconds=number)).isoformat() for number in range(missed)]
    service.published += [service.make(str(number), timestamp=at) for number, at in enumerate(moments)]
    service.token_always = None
    await eventually(lambda: str(missed - 1) == heard.names[-1])
    service.publish("z")
    await eventually(lambda: "z" == heard.names[-1])
    assert ["a", *map(str, range(missed - expected, missed)), "z"] == heard.names


async def test_invalid_events_do_not_end_the_paging(live: Face, service: LiveService) -> None:
    heard = Heard()
    await result(live.client().start_listening(heard.on_event))
    service.token_always = status(500)
    service.cut()
    await eventually(lambda: service.open == 0)
    began = datetime.now(timezone.utc)
    moments = [(began + timedelta(microseconds=number)).isoformat() for number in range(PAGE + 10)]
    service.published += [service.make(str(number), timestamp=at) for number, at in enumerate(moments)]
    service.published[-5]["properties"] = "none"
    service.token_always = None
    await eventually(lambda: len(heard.events) == PAGE + 9)
    assert [str(number) for number in range(PAGE + 10) if number != PAGE + 5] == heard.names


async def test_a_service_that_reads_nothing_back_is_listened_to_all_the_same(live: Face, service: LiveService) -> None:
    heard = Heard()
    service.reads_back = False
    await result(live.client().start_listening(heard.on_event, heard.on_error))
    service.publish("a")
    await eventually(lambda: heard.names == ["a"])
    service.cut()
    await eventually(lambda: len(service.keys) == 2 and service.open == 1)
    service.publish("b")
    await eventually(lambda: heard.names == ["a", "b"])
    assert [] == heard.errors


async def test_each_event_is_passed_on_once(live: Face, service: LiveService) -> None:
    heard = Heard()
    one, two = (orjson.dumps(service.make(name)).decode() for name in "ab")
    service.socket_plan.extend([sends(one, one, two, one), sends(two, one)])
    await result(live.client().start_listening(heard.on_event))
    await eventually(lambda: service.open == 1)
    service.publish("c")
    await eventually(lambda: "c" in heard.names)
    assert ["a", "b", "c"] == heard.names


async def test_a_connection_that_is_dead_is_noticed(
    live: Face, service: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindlytics.transport.websocket.QUIET", 0.1)
    monkeypatch.setattr("mindlytics.transport.websocket.PATIENCE", 0.3)
    heard = Heard()
    service.socket_plan.append(is_dead)
    await result(live.client().start_listening(heard.on_event))
    await eventually(lambda: service.open == 1)
    service.publish("a")
    await eventually(lambda: heard.names == ["a"])


async def test_a_connection_that_is_merely_quiet_is_kept(
    live: Face, service: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindlytics.transport.websocket.QUIET", 0.02)
    heard = Heard()
    await result(live.client().start_listening(heard.on_event))
    await asyncio.sleep(0.3)
    service.publish("a")
    await eventually(lambda: heard.names == ["a"])
    assert ["live-1"] == service.keys


async def test_an_outage_is_reported_once_and_its_end_too(
    live: Face, service: LiveService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mindlytics")
    await result(live.client().start_listening(Heard().on_event))
    service.token_plan.extend([status(500, "a secret")] * 3)
    service.cut()
    await eventually(lambda: len(service.keys) == 2 and service.open == 1)
    await eventually(lambda: "live events available again" in caplog.messages)
    assert 1 == sum("live events unavailable" in message for message in caplog.messages)
    assert "secret" not in caplog.text
    assert "live-" not in caplog.text
