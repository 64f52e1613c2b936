"""Live events and the program's handlers: bad messages, failing handlers, and interrupted waits."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from typing import Any

import orjson
import pytest

from mindlytics import Client, LiveError

from .conftest import Face, entered, eventually, result
from .live_service import Heard, LiveService, sends, slow

STARTED, ENDED = "Session Started", "Session Ended"


async def test_messages_other_than_events_are_skipped(
    live: Face, service: LiveService, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    good = orjson.dumps(service.make("a", colour="red", user_traits={"n": 1}))
    odd = [
        orjson.dumps(service.make("b", **{name: value})).decode()
        for name, value in {"event_id": ["secret"], "user_id": {}, "timestamp": 7, "properties": "secret"}.items()
    ]
    service.socket_plan.append(
        sends("<html>", "[1]", '{"secret": 1}', "null", b"\xff\x00", *odd, good.decode(), b"" + good)
    )
    await result(live.client().start_listening(heard.on_event, heard.on_error))
    await eventually(lambda: heard.names == ["a"])
    assert ({"colour": "red"}, {"n": 1}) == (heard.events[0].extra, heard.events[0].user_traits)
    assert [] == heard.errors
    assert 1 == sum("is not an event" in message for message in caplog.messages)
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"error_message": "no such model"}, "no such model"),
        ({}, "the service reported a problem"),
        (None, "the service reported"),
    ],
)
async def test_a_problem_of_the_service_goes_to_on_error(
    live: Face, service: LiveService, properties: Any, words: str
) -> None:
    heard = Heard()
    await result(live.client().start_listening(heard.on_event, heard.on_error))
    service.publish("MLError", "", properties=properties, timestamp=None)
    await eventually(lambda: len(heard.errors) == 1)
    assert words in str(heard.errors[0])
    assert isinstance(heard.errors[0], LiveError)
    assert [] == heard.names


@pytest.mark.parametrize("kind", [ValueError, SystemExit, GeneratorExit, asyncio.TimeoutError])
@pytest.mark.parametrize("coroutine", [False, True], ids=["function", "coroutine"])
async def test_a_handler_that_fails_harms_nothing(
    live: Face, service: LiveService, kind: Any, coroutine: bool, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()

    def fail(event: Any) -> None:
        heard.events.append(event)
        raise kind("a secret")

    async def fail_async(event: Any) -> None:
        fail(event)

    def on_error(error: Exception) -> None:
        heard.errors.append(error)
        raise kind("a secret")

    client = live.client()
    handler = fail_async if coroutine else fail
    async with entered(client.create_session(on_event=handler, on_error=on_error)) as session:
        await result(session.track_event(event="Hello"))
    assert [STARTED, "Hello", ENDED] == heard.names
    assert [kind] * 3 == [type(error) for error in heard.errors]
    assert "secret" not in caplog.text
    assert 1 == sum("an on_event handler failed" in message for message in caplog.messages)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a task cannot tell there whether it is the one to be cancelled")
async def test_a_handler_may_await_what_is_cancelled(live: Face, service: LiveService) -> None:
    heard = Heard()

    async def await_cancelled(event: Any) -> None:
        heard.events.append(event)
        cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled

    client = live.client()
    async with entered(client.create_session(on_event=await_cancelled, on_error=heard.on_error)) as session:
        await result(session.track_event(event="Hello"))
    assert [STARTED, "Hello", ENDED] == heard.names
    assert [asyncio.CancelledError] * 3 == [type(error) for error in heard.errors]


async def test_a_handler_that_never_returns_delays_nothing_else(live: Face, service: LiveService) -> None:
    stopping = threading.Event()

    async def stuck_async(_: object) -> None:
        await asyncio.sleep(3600)

    def stuck(_: object) -> None:
        stopping.wait(60)

    client = live.client(live_timeout=0.2)
    began = time.monotonic()
    async with entered(client.create_session(on_event=stuck_async if live.is_async else stuck)) as session:
        await result(session.track_event(event="Hello"))
    assert 2 == (await result(client.close())).delivered
    assert time.monotonic() - began < 30
    stopping.set()


async def test_a_listener_that_fails_is_reported(
    live: Face, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("mindlytics.live.listener.Listener.run", run)
    client = live.client()
    with pytest.raises(LiveError, match=r"the listener failed \(RuntimeError\)"):
        await result(client.start_listening(on_event=print))
    assert ["the listener failed"] == [record.getMessage() for record in caplog.records if record.name == "mindlytics"]


async def test_delivery_continues_while_live_events_hang(live: Face, service: LiveService) -> None:
    service.token_always = slow
    client = live.client(request_timeout=60, live_timeout=0.1)
    session = client.create_session(on_event=print)
    for number in range(100):
        await result(session.track_event(event=str(number)))
    assert 100 == (await result(client.flush(30))).delivered
    assert [str(number) for number in range(100)] == [event["event"] for event in service.stored]


async def test_a_cancelled_wait_ends_at_once(live: Face, service: LiveService) -> None:
    service.publishes_ends = False
    if not live.is_async:
        pytest.skip("only a task is cancelled")
    client = live.client(live_timeout=60)

    async def record() -> None:
        async with client.create_session(on_event=print) as session:
            await session.track_event(event="Hello")

    task = asyncio.create_task(record())
    await eventually(lambda: any(event["type"] == "end_session" for event in service.stored))
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=30)
    assert done == {task}
    assert task.cancelled()
    await eventually(lambda: service.open == 0)


def test_ctrl_c_ends_the_wait(service: LiveService) -> None:
    service.publishes_ends = False
    timer = threading.Timer(0.5, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    began = time.monotonic()
    client = Client(api_key="key-1", project_id="proj-1", server_endpoint=service.url, live_timeout=60)
    with pytest.raises(KeyboardInterrupt), client, client.create_session(on_event=print) as session:  # noqa: PT012
        session.track_event(event="Hello")
        timer.start()
    assert time.monotonic() - began < 30
    assert 2 == client.stats().delivered


async def test_a_block_that_is_interrupted_waits_for_no_live_event(live: Face, service: LiveService) -> None:
    service.publishes_ends = False
    client = live.client(live_timeout=60)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        async with entered(client.create_session(on_event=print)) as session:
            await result(session.track_event(event="Hello"))
            raise KeyboardInterrupt
    assert time.monotonic() - began < 30
    await eventually(lambda: service.open == 0)
