"""The contract on real sockets, on both faces: every event arrives once and in order, whatever the service does."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import Any

import aiohttp
import pytest
import requests

from mindlytics.align.wire import AlignWire
from mindlytics.wire import MindlyticsWire

from . import sink as faults
from .conftest import Face, entered, eventually, result
from .sink import Fault, Sink

FAULTS: dict[str, list[Fault]] = {
    "503": [faults.status(503)],
    "429 with seconds": [faults.status(429, Retry_After="1")],
    "500 three times": [faults.status(500)] * 3,
    "408": [faults.status(408)],
    "425": [faults.status(425)],
    "reset": [faults.reset, faults.reset],
    "hang": [faults.hang],
    "slow": [faults.slow(0.3)],
    "lost reply": [faults.lose_reply],
    "truncated reply": [faults.truncate],
    "wrong JSON": [faults.wrong_json],
    "wrong encoding": [faults.not_compressed],
    "redirect within the host": [faults.redirect("/moved/bc/v1/events/queue")],
    "503 until a year that is none": [faults.status(503, Retry_After=f"Sun, 06 Nov {'9' * 20} 08:49:37 GMT")],
    "redirect by 302": [faults.redirect("/moved/bc/v1/events/queue", 302)],
    "several at once": [faults.reset, faults.status(503), faults.lose_reply, faults.status(429, Retry_After="0")],
}


async def play(face: Face, client: Any, turns: int = 60, sessions: int = 3) -> None:
    """Turns of several sessions, interleaved, each numbered within its session."""
    made = [client.create_session(session_id=f"session-{number}", id="u") for number in range(sessions)]
    for turn in range(turns):
        for session in made:
            await result(session.track_event(event=f"{turn}"))


def assert_all_arrived_in_order(sink: Sink, turns: int = 60, sessions: int = 3) -> None:
    arrived: dict[str, list[str]] = defaultdict(list)
    for event in sink.events:
        arrived[event["session_id"]].append(event["event"])
    assert arrived == {f"session-{number}": [f"{turn}" for turn in range(turns)] for number in range(sessions)}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_event_arrives_once_and_in_order(any_face: Face, sink: Sink, name: str) -> None:
    client = any_face.client(max_batch_events=25, request_timeout=0.5)
    sink.faults(*FAULTS[name])
    began = time.monotonic()
    await play(any_face, client)
    assert time.monotonic() - began < 5, "calls do not wait for the network"
    outcome = await result(client.flush(20))
    assert (180, 0, 0, 0) == (outcome.delivered, outcome.refused, outcome.dropped, outcome.pending)
    assert_all_arrived_in_order(sink)


async def test_a_batch_keeps_its_key_across_its_retries_and_halves_get_new_ones(any_face: Face, sink: Sink) -> None:
    client = any_face.client(flush_interval=30)
    sink.faults(faults.status(503), faults.lose_reply, faults.status(503), faults.status(400), faults.status(503))
    session = client.create_session(id="u")
    for number in range(4):
        await result(session.track_event(event=f"{number}"))
    await result(client.flush(10))
    keys = [request.key for request in sink.requests]
    assert keys[0] == keys[1] == keys[2] == keys[3], "the same batch, the same key"
    assert keys[4] == keys[5] != keys[0], "the first half"
    assert keys[6] not in keys[:6], "the second half"
    assert all(keys)


async def test_one_bad_event_is_refused_alone(any_face: Face, sink: Sink) -> None:
    client = any_face.client(flush_interval=30)
    sink.always = faults.refuse_marked
    session = client.create_session(id="u")
    for number in range(40):
        await result(session.track_event(event="poison" if number == 17 else f"{number}"))
    outcome = await result(client.flush(20))
    assert (39, 1) == (outcome.delivered, outcome.refused)
    assert [f"{number}" for number in range(40) if number != 17] == sink.names()
    assert ["poison is not allowed"] == [error.message for error in session.get_errors()]
    assert len(sink.requests) < 16, "halving, not one by one"


async def test_what_is_too_large_is_halved_and_a_lone_giant_refused(any_face: Face, sink: Sink) -> None:
    client = any_face.client(flush_interval=30)
    sink.always = faults.at_most(4000)
    session = client.create_session(id="u")
    for number in range(20):
        await result(session.track_event(event=f"{number}", properties={"text": "x" * (6000 if number == 3 else 500)}))
    outcome = await result(client.flush(20))
    assert (19, 1) == (outcome.delivered, outcome.refused)
    assert [f"{number}" for number in range(20) if number != 3] == sink.names()


async def test_a_body_may_be_large(any_face: Face, sink: Sink) -> None:
    client = any_face.client(max_batch_bytes=4 * 2**20)
    await result(client.create_session(id="u").track_conversation_turn(user="x" * 3 * 2**20, assistant=""))
    assert 1 == (await result(client.flush(20))).delivered


async def test_batches_keep_exactly_within_their_limits(any_face: Face, sink: Sink) -> None:
    client = any_face.client(max_batch_events=7, max_batch_bytes=2000, flush_interval=0.05)
    session = client.create_session(id="u")
    for number in range(100):
        await result(session.track_event(event=f"{number}", properties={"text": "é" * (number % 30) * 10}))
    await result(client.flush(20))
    assert [f"{number}" for number in range(100)] == sink.names()
    assert max(len(request.events) for request in sink.requests) <= 7
    assert max(len(request.body) for request in sink.requests) <= 2000


async def test_no_event_waits_longer_than_the_flush_interval(any_face: Face, sink: Sink) -> None:
    client = any_face.client(flush_interval=0.2)
    session = client.create_session(id="u")
    began = time.monotonic()
    await result(session.track_event(event="alone"))
    await eventually(lambda: len(sink.events) == 1)
    assert 0.15 < sink.requests[0].at - began < 10


async def test_a_full_batch_does_not_wait(any_face: Face, sink: Sink) -> None:
    client = any_face.client(flush_interval=60, max_batch_events=10)
    session = client.create_session(id="u")
    for number in range(25):
        await result(session.track_event(event=f"{number}"))
    await eventually(lambda: client.stats().pending == 5)
    assert [f"{number}" for number in range(20)] == sink.names()


async def test_a_service_that_takes_bare_objects_only(face: Face, sink: Sink) -> None:
    def bare_only(exchange: faults.Exchange) -> None:
        if isinstance(exchange.request.json, list):
            exchange.reply(400, b'{"message":"an object is wanted"}')
        else:
            faults.fine(exchange)

    sink.always = bare_only
    client = face.client(flush_interval=30)
    session = client.create_session(id="u")
    for number in range(8):
        await result(session.track_event(event=f"{number}"))
    outcome = await result(client.flush(10))
    assert (8, 0) == (outcome.delivered, outcome.refused)
    assert [f"{number}" for number in range(8)] == sink.names()


# -- deadlines ---------------------------------------------------------------------------------------------------


async def test_flush_and_close_come_back_from_a_service_that_never_answers(any_face: Face, sink: Sink) -> None:
    sink.always = faults.hang
    client = any_face.client(flush_interval=0, request_timeout=30)
    session = client.create_session(id="u")
    began = time.monotonic()
    for number in range(5):
        await result(session.track_event(event=f"{number}"))
    assert time.monotonic() - began < 5, "calls do not wait for the network"
    for wait, call in ((1.0, client.flush), (0.5, session.flush), (1.0, client.close)):
        began = time.monotonic()
        outcome = await result(call(wait))
        assert time.monotonic() - began < wait + 5
        assert 0 == outcome.delivered
        assert 5 == outcome.pending + outcome.dropped
    stats = client.stats()
    assert stats.accepted == stats.pending + stats.dropped == 5


async def test_close_interrupts_back_off(any_face: Face, sink: Sink) -> None:
    sink.always = faults.status(503)
    client = any_face.client(flush_interval=0, max_retry_wait=30)
    await result(client.create_session(id="u").track_event(event="e"))
    await eventually(lambda: len(sink.requests) >= 3)
    sink.always = faults.fine
    began = time.monotonic()
    outcome = await result(client.close(25))
    assert time.monotonic() - began < 15
    assert 1 == outcome.delivered


async def test_a_pause_that_outlasts_the_deadline_ends_the_wait_for_it(any_face: Face, sink: Sink) -> None:
    sink.always = faults.status(429, Retry_After="20")
    client = any_face.client(flush_interval=0, max_retry_wait=30)
    await result(client.create_session(id="u").track_event(event="e"))
    began = time.monotonic()
    outcome = await result(client.close(1))
    assert time.monotonic() - began < 10
    assert 1 == outcome.dropped + outcome.pending


async def test_retry_after_pauses_the_whole_client(any_face: Face, sink: Sink) -> None:
    sink.faults(faults.status(429, Retry_After="1"))
    client = any_face.client(flush_interval=0, max_retry_wait=30)
    first, second = client.create_session(id="a"), client.create_session(id="b")
    await result(first.track_event(event="a"))
    await eventually(lambda: len(sink.requests) == 1)
    await result(second.track_event(event="b"))
    await result(client.flush(10))
    assert sink.requests[1].at - sink.requests[0].at >= 0.99
    assert ["a", "b"] == sink.names()


async def test_retry_for_bounds_what_a_batch_costs(any_face: Face, sink: Sink) -> None:
    sink.always = faults.status(503)
    client = any_face.client(flush_interval=0, retry_for=0.3)
    await result(client.create_session(id="u").track_event(event="e"))
    outcome = await result(client.flush(10))
    assert 1 == outcome.dropped
    assert {"gave_up": 1} == client.stats().reasons
    assert "longer than retry_for" in client.get_errors()[0].message


# -- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_full", "kept"), [("drop_newest", range(10)), ("drop_oldest", range(20, 30))])
async def test_the_queue_is_bounded_and_the_setting_says_who_loses(
    any_face: Face, sink: Sink, on_full: str, kept: range, caplog: pytest.LogCaptureFixture
) -> None:
    client = any_face.client(max_queue_events=10, on_full=on_full, enabled=True, flush_interval=30)
    client.pipeline._attend = lambda: None  # the sender is late
    client.pipeline._unattended = False
    session = client.create_session(id="u")
    with caplog.at_level(logging.WARNING, "mindlytics"):
        for number in range(30):
            await result(session.track_event(event=f"{number}"))
            assert client.stats().pending <= 10
    del client.pipeline._attend
    client.pipeline._unattended = True
    outcome = await result(client.close(10))
    assert (10, 20) == (outcome.delivered, outcome.dropped)
    assert [f"{number}" for number in kept] == sink.names()
    assert {"queue_full": 20} == client.stats().reasons
    assert 1 == sum("too many events are pending" in record.getMessage() for record in caplog.records)


async def test_an_event_takes_the_place_of_as_many_old_ones_as_it_needs(face: Face, sink: Sink) -> None:
    client = face.client(max_queue_bytes=100_000, on_full="drop_oldest", flush_interval=30)
    client.pipeline._attend = lambda: None  # the sender is late
    client.pipeline._unattended = False
    session = client.create_session(id="u")
    for number in range(100):
        await result(session.track_event(event=f"old {number}"))
    await result(session.track_conversation_turn(user="u" * 70_000, assistant=""))
    for number in range(20):
        await result(session.track_event(event=f"new {number}"))
    del client.pipeline._attend
    client.pipeline._unattended = True
    outcome = await result(client.close(10))
    kept = [name for name in sink.names() if name.startswith("old")]
    assert [f"new {number}" for number in range(20)] == sink.names()[-20:]
    assert [f"old {number}" for number in range(100)][-len(kept) :] == kept
    assert (121 - outcome.dropped, 100 - len(kept)) == (outcome.delivered, outcome.dropped)


async def test_bytes_are_bounded_too(any_face: Face, sink: Sink) -> None:
    sink.always = faults.hang
    client = any_face.client(max_queue_bytes=100_000)
    session = client.create_session(id="u")
    for _ in range(50):
        await result(session.track_conversation_turn(user="u" * 10_000, assistant=""))
    stats = client.stats()
    assert 5 <= stats.pending <= 11
    assert stats.reasons == {"queue_full": 50 - stats.pending}


async def test_block_waits_for_room_and_loses_nothing(any_face: Face, sink: Sink) -> None:
    sink.always = faults.slow(0.01)
    client = any_face.client(max_queue_events=20, max_batch_events=10, on_full="block", block_timeout=20)
    session = client.create_session(id="u")
    for number in range(200):
        await result(session.track_event(event=f"{number}"))
    assert 200 == (await result(client.flush(20))).delivered
    assert [f"{number}" for number in range(200)] == sink.names()


async def test_block_gives_up_after_its_time(any_face: Face, sink: Sink) -> None:
    sink.always = faults.hang
    client = any_face.client(max_queue_events=2, on_full="block", block_timeout=0.2)
    session = client.create_session(id="u")
    began = time.monotonic()
    for number in range(3):
        await result(session.track_event(event=f"{number}"))
    assert 0.15 < time.monotonic() - began < 10
    assert {"queue_full": 1} == client.stats().reasons


# -- quiet ---------------------------------------------------------------------------------------------------------


async def test_one_warning_for_an_outage_and_one_line_on_recovery(
    any_face: Face, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    client = any_face.client(api_key="very-secret")
    session = client.create_session(id="u")
    with caplog.at_level(logging.INFO, "mindlytics"):
        for outage in range(2):
            sink.faults(*[faults.status(503, "private words")] * 3)
            await result(session.track_conversation_turn(user="private words", assistant=f"{outage}"))
            await result(client.flush(10))
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "mindlytics"]
    warning = ("WARNING", f"events cannot be delivered, retrying: {sink.url}: status 503")
    assert lines == [warning, ("INFO", "the service answers again")] * 2
    assert "private" not in caplog.text
    assert "very-secret" not in caplog.text + repr(client) + repr(session)


@pytest.mark.parametrize("location", ["http://127.0.0.1:PORT/x", "http://127.0.0.1:99999/x", "http://[x/y"])
async def test_a_redirect_to_nowhere_is_a_refusal(any_face: Face, sink: Sink, location: str) -> None:
    sink.faults(faults.redirect(location))
    client = any_face.client(flush_interval=0)
    session = client.create_session(id="u")
    await result(session.track_event(event="lost"))
    assert 1 == (await result(client.flush(20))).refused
    assert "redirected to an invalid address" == client.get_errors()[0].message
    await result(session.track_event(event="e"))
    assert 1 == (await result(client.flush(20))).delivered


async def test_a_redirect_to_nowhere_is_a_refusal_in_a_callers_own_session(face: Face, sink: Sink) -> None:
    sink.faults(faults.redirect("http://[x/y"))
    async with entered(aiohttp.ClientSession() if face.is_async else requests.Session()) as own:
        client = face.client(http_client=own)
        await result(client.create_session(id="u").track_event(event="lost"))
        assert 1 == (await result(client.flush(20))).refused
    assert "redirected to an invalid address" == client.get_errors()[0].message
    assert 1 == len(sink.requests)


async def test_a_reply_that_we_fail_to_judge_is_tried_again_no_longer_than_any_other(
    any_face: Face, sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise KeyError

    for wire in (AlignWire, MindlyticsWire):
        monkeypatch.setattr(wire, "judge", fail)
    client = any_face.client(flush_interval=0, retry_for=0)
    await result(client.create_session(id="u").track_event(event="a-secret"))
    assert 1 == (await result(client.flush(20))).dropped
    assert "the reply could not be judged" in client.get_errors()[0].message
    (entry,) = [record for record in caplog.records if record.exc_info]
    assert "a reply could not be judged" == entry.message
    assert "a-secret" not in caplog.text


async def test_credentials_follow_no_redirect_to_another_host(any_face: Face, sink: Sink) -> None:
    elsewhere = Sink()
    try:
        sink.always = faults.redirect(elsewhere.url.replace("127.0.0.1", "localhost") + "/bc/v1/events/queue")
        client = any_face.client(flush_interval=0)
        await result(client.create_session(id="u").track_event(event="e"))
        assert 1 == (await result(client.flush(5))).refused
        assert "which is not followed" in client.get_errors()[0].message
        assert [] == elsewhere.requests
    finally:
        elsewhere.close()
