"""Live events as a program meets them, on both faces, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mindlytics import ClientClosed, InvalidEvent, LiveError, MLEvent
from mindlytics.live.subscription import REMEMBERED, Subscription
from mindlytics.live.wire import address

from .conftest import Face, entered, eventually, result
from .live_service import Heard, LiveService, status

STARTED, ENDED = "Session Started", "Session Ended"


async def each(events: Any) -> AsyncIterator[MLEvent]:
    """What ``client.events()`` gives, on either face."""
    if hasattr(events, "__anext__"):
        async for event in events:
            yield event
    else:
        done = object()
        while (event := await asyncio.to_thread(next, events, done)) is not done:
            yield event


async def closed(events: Any) -> None:
    await (events.aclose() if hasattr(events, "aclose") else asyncio.to_thread(events.close))


# -- sessions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coroutines", [False, True], ids=["functions", "coroutines"])
async def test_a_session_receives_its_own_events_until_its_end(
    live: Face, service: LiveService, coroutines: bool
) -> None:
    heard = Heard(coroutines=coroutines)
    service.publish("Other", "another")
    client = live.client()
    session = client.create_session(session_id="mine", id="ada", on_event=heard.on_event, on_error=heard.on_error)
    assert [] == service.asked
    async with entered(session):
        await result(session.track_event(event="Hello", properties={"n": 1}))
        service.publish("Other", "another")
    assert [STARTED, "Hello", ENDED] == heard.names
    assert {"n": 1} == heard.events[1].properties
    assert {"mine"} == {event.session_id for event in heard.events}
    assert ([], ["session_id=mine"]) == (heard.errors, service.asked)
    await eventually(lambda: service.open == 0)


async def test_a_session_is_read_back_from_its_earliest_event_on(live: Face, service: LiveService) -> None:
    noon, hour = datetime(2025, 4, 3, 12, tzinfo=timezone.utc), timedelta(hours=1)
    client = live.client()
    session = client.create_session(id="ada", on_event=Heard().on_event)
    for timestamp, earliest in (
        ("2025-04-03T14:00:00.0000+02:00", noon),
        (None, noon),
        (noon - hour, noon - hour),
        ("2025-04-03T11:59:00Z", noon - hour),
        ("2025-04-03T10:00", noon - 2 * hour),
    ):
        await result(session.track_event(event="E", properties={"n": 1}, timestamp=timestamp))
        assert earliest == session._live.subscription.read_back_from
    await result(client.close())


async def test_the_last_flush_waits_for_the_end_and_no_other_does(live: Face, service: LiveService) -> None:
    heard = Heard()
    service.publishes_ends = False
    client = live.client()
    session = client.create_session(session_id="s", on_event=heard.on_event)
    await result(session.track_event(event="Hello"))
    assert 1 == (await result(session.flush())).delivered
    await result(session.end_session())
    assert 2 == (await result(session.flush_and_continue())).delivered
    assert ENDED not in heard.names
    timer = threading.Timer(0.2, service.publish, [ENDED])
    timer.start()
    await result(session.flush())
    assert [STARTED, "Hello", ENDED] == heard.names
    timer.join()


async def test_the_wait_for_the_end_has_an_end(live: Face, service: LiveService) -> None:
    service.publishes_ends = False
    client = live.client(live_timeout=0.2)
    session = client.create_session(on_event=Heard().on_event)
    began = time.monotonic()
    async with entered(session):
        await result(session.track_event(event="Hello"))
    assert 0.2 <= time.monotonic() - began < 10
    await eventually(lambda: service.open == 0)


async def test_a_flush_with_a_limit_keeps_to_it(live: Face, service: LiveService) -> None:
    service.publishes_ends = False
    client = live.client(live_timeout=60)
    session = client.create_session(on_event=Heard().on_event)
    await result(session.track_event(event="Hello"))
    await result(session.end_session())
    began = time.monotonic()
    assert 0 == (await result(session.flush(1))).pending
    assert time.monotonic() - began < 30


async def test_close_waits_for_the_sessions_that_were_ended(live: Face, service: LiveService) -> None:
    heard = Heard()
    client = live.client()
    session = client.create_session(on_event=heard.on_event)
    await result(session.track_event(event="Hello"))
    await result(session.end_session())
    await result(client.close())
    assert [STARTED, "Hello", ENDED] == heard.names
    await eventually(lambda: service.open == 0)


async def test_close_does_not_wait_for_sessions_that_continue(live: Face, service: LiveService) -> None:
    client = live.client(shutdown_timeout=60)
    session = client.create_session(on_event=Heard().on_event)
    await result(session.track_event(event="Hello"))
    await eventually(lambda: service.open == 1)
    began = time.monotonic()
    await result(client.close())
    assert time.monotonic() - began < 30
    await eventually(lambda: service.open == 0)


async def test_a_reused_session_is_listened_to_again(live: Face, service: LiveService) -> None:
    heard = Heard()
    client = live.client()
    session = client.create_session(on_event=heard.on_event)
    ids = []
    for name in ("a", "b"):
        await result(session.track_event(event=name))
        ids.append(session.session_id)
        await result(session.end_session())
        await result(session.flush())
    assert [STARTED, "a", ENDED, STARTED, "b", ENDED] == heard.names
    assert [f"session_id={session_id}" for session_id in ids] == service.asked


async def test_a_session_restarted_under_its_id_is_waited_for_again(live: Face, service: LiveService) -> None:
    heard = Heard()
    client = live.client()
    session = client.create_session(session_id="s", on_event=heard.on_event)
    for name in ("a", "b"):
        await result(session.track_event(event=name))
        await result(session.end_session())
    await result(session.flush())
    assert [STARTED, "a", ENDED, "b", ENDED] == heard.names
    assert 1 == len(service.asked)


async def test_nothing_is_requested_without_a_listener_or_an_event(live: Face, service: LiveService) -> None:
    heard = Heard()
    for client, session_id in [
        (live.client(), None),
        (live.client(enabled=False), None),
        (live.client(sample_rate=0.0), None),
    ]:
        handlers = {} if client.settings.enabled and client.settings.sample_rate else {"on_event": heard.on_event}
        async with entered(
            client.create_session(session_id=session_id, on_error=heard.on_error, **handlers)
        ) as session:
            await result(session.track_event(event="Hello"))
        await result(client.close())
    assert ([], []) == (service.asked, heard.names)


async def test_a_handler_must_be_a_function(live: Face) -> None:
    client = live.client()
    with pytest.raises(InvalidEvent, match="on_event must be a function or None, got str"):
        client.create_session(on_event="print")
    with pytest.raises(InvalidEvent, match="on_event must be a function, got NoneType"):
        await result(client.start_listening(None))
    with pytest.raises(InvalidEvent, match="on_error must be a function or None, got str"):
        await result(client.start_listening(print, "print"))
    with pytest.raises(InvalidEvent, match="session_id must be"):
        client.events("")


async def test_handlers_may_call_back(live: Face, service: LiveService) -> None:
    """What waits for the listener does not when it is the listener that calls."""
    done: list[str] = []
    client = live.client()
    session = client.create_session(on_event=lambda event: None)

    async def call_async(event: MLEvent) -> None:
        await session.track_event(event="Answer")
        await session.flush()
        await client.stop_listening()
        await client.close()
        done.append(event.event)

    def call(event: MLEvent) -> None:
        session.track_event(event="Answer")
        session.flush()
        client.stop_listening()
        client.close()
        done.append(event.event)

    await result(client.start_listening(call_async if live.is_async else call, session_id="other"))
    service.publish("Question", "other")
    await eventually(lambda: done == ["Question"])
    await eventually(lambda: service.open == 0)
    assert "Answer" in [event["event"] for event in service.published]


# -- without a session ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [False, True], ids=["by place", "by name"])
async def test_a_client_listens_to_the_whole_project(live: Face, service: LiveService, words: bool) -> None:
    heard = Heard()
    client = live.client()
    if words:
        await result(client.start_listening(on_event=heard.on_event, on_error=heard.on_error))
    else:
        await result(client.start_listening(heard.on_event, heard.on_error))
    service.publish("a", "one")
    service.publish("b", "two")
    service.publish("MLError", "two", properties={"error_message": "no such model"})
    await eventually(lambda: len(heard.events) == 2 and len(heard.errors) == 1)
    assert (["a", "b"], "no such model") == (heard.names, str(heard.errors[0]))
    assert isinstance(heard.errors[0], LiveError)
    await result(client.stop_listening())
    await result(client.stop_listening())
    await eventually(lambda: service.open == 0)
    service.publish("c", "one")
    assert ([""], ["a", "b"]) == (service.asked, heard.names)


async def test_several_may_listen(live: Face, service: LiveService) -> None:
    one, all_ = Heard(), Heard()
    client = live.client()
    await result(client.start_listening(one.on_event, session_id="one"))
    await result(client.start_listening(all_.on_event))
    service.publish("a", "one")
    service.publish("b", "two")
    await eventually(lambda: (one.names, all_.names) == (["a"], ["a", "b"]))
    await result(client.close())
    await eventually(lambda: service.open == 0)


async def test_refusal_is_raised_to_the_one_who_asks(live: Face, service: LiveService) -> None:
    heard = Heard()
    service.token_always = status(401, "unknown key")
    client = live.client()
    with pytest.raises(LiveError, match="unknown key") as caught:
        await result(client.start_listening(heard.on_event, heard.on_error))
    assert (401, "unknown key") == (caught.value.status, caught.value.message)
    with pytest.raises(LiveError, match="unknown key"):
        async for _ in each(client.events()):
            pass
    assert 2 == len(service.asked)


async def test_a_closed_client_listens_to_nothing(live: Face, service: LiveService) -> None:
    client = live.client()
    await result(client.close())
    with pytest.raises(ClientClosed):
        await result(client.start_listening(print))
    with pytest.raises(ClientClosed):
        client.events()
    session = client.create_session(on_event=print)
    await result(session.track_event(event="late"))
    await result(session.end_session())
    await result(session.flush())
    assert [] == service.asked


async def test_a_client_that_is_dropped_listens_no_longer(live: Face, service: LiveService) -> None:
    client = live.client()
    await result(client.start_listening(Heard().on_event))
    await eventually(lambda: service.open == 1)
    live.clients.clear()
    del client
    gc.collect()
    await eventually(lambda: service.open == 0)


# -- loops over events ---------------------------------------------------------------------------------------------


async def test_a_loop_over_events_takes_each_and_ends_when_it_is_left(live: Face, service: LiveService) -> None:
    client = live.client()
    events = client.events()
    service.publish("a")  # since the call, before the loop begins
    service.publish("MLError", properties={"error_message": "no such model"})
    taken = []
    async for event in each(events):
        taken.append(event.event)
        if len(taken) == 2:
            service.publish("b")
        elif len(taken) == 3:
            break
    assert ["a", "MLError", "b"] == taken
    await closed(events)
    await eventually(lambda: service.open == 0)


async def test_a_loop_over_events_of_one_session(live: Face, service: LiveService) -> None:
    events = live.client().events("mine")
    service.publish("a", "other")
    service.publish("b", "mine")
    async for event in each(events):
        assert "b" == event.event
        break
    await closed(events)


async def test_closing_the_client_ends_a_loop_over_events(live: Face, service: LiveService) -> None:
    client = live.client()
    taken = []

    async def loop() -> None:
        async for event in each(client.events()):
            taken.append(event.event)

    task = asyncio.create_task(loop())
    await eventually(lambda: service.open == 1)
    service.publish("a")
    await eventually(lambda: taken == ["a"])
    await (client.close() if live.is_async else asyncio.to_thread(client.close))
    await asyncio.wait_for(task, 30)


async def test_a_slow_loop_holds_the_service_back_and_misses_nothing(
    live: Face, service: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindlytics.live.listener.MAILBOX", 5)
    events = live.client().events()
    for number in range(100):
        service.publish(str(number))
    taken = []
    async for event in each(events):
        taken.append(event.event)
        if len(taken) == 100:
            break
    assert [str(number) for number in range(100)] == taken
    await closed(events)


# -- what it goes by -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "setting", "advertised", "expected"),
    [
        ("https://app.mindlytics.ai", "", None, "wss://wss.mindlytics.ai"),
        ("http://localhost:3000", "", None, "ws://localhost:4000"),
        ("http://127.0.0.1:3007", "", None, "ws://127.0.0.1:4007"),
        ("http://127.0.0.1:30001", "", None, "ws://127.0.0.1:30001"),
        ("https://example.org/app", "", None, "wss://example.org/app"),
        ("http://localhost:51234", "", "ws://localhost:51234/live", "ws://localhost:51234/live"),
        ("http://localhost:51234", "", "ws://elsewhere:51234/live", "ws://localhost:51234"),
        ("https://app.mindlytics.ai", "", "ws://app.mindlytics.ai/live", "wss://wss.mindlytics.ai"),
        ("https://app.mindlytics.ai", "", "http://app.mindlytics.ai/live", "wss://wss.mindlytics.ai"),
        ("https://app.mindlytics.ai", "", "wss://[", "wss://wss.mindlytics.ai"),
        ("http://localhost:3000", "wss://live.example.org", "ws://localhost:3000/live", "wss://live.example.org"),
    ],
)
def test_the_address_is_set_or_advertised_or_derived(
    base: str, setting: str, advertised: str | None, expected: str
) -> None:
    assert expected == address(base, setting, advertised)


def test_what_was_seen_is_remembered_within_bounds() -> None:
    subscription = Subscription(None, datetime.now(timezone.utc))

    def event(number: int) -> MLEvent:
        return MLEvent(session_id="s", timestamp="", event="e", event_id=str(number))

    assert all(subscription.wants(event(number)) for number in range(REMEMBERED + 1))
    assert not subscription.wants(event(1))
    assert subscription.wants(event(0))
    assert REMEMBERED == len(subscription._seen)
