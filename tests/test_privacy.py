"""What leaves the program: before_send, content_mode and sampling, on both faces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve

from mindlytics import InvalidSetting
from mindlytics.client import Client
from mindlytics.delivery.batcher import Batch
from mindlytics.delivery.privacy import is_sampled
from mindlytics.events import ConversationTurn, CustomEvent, EndSession, Event

from .conftest import Face, result
from .sink import Sink


async def test_before_send_may_change_or_drop(face: Face, sink: Sink) -> None:
    def before_send(event: Event) -> Event | None:
        if event.event == "secret":
            return None
        if isinstance(event, ConversationTurn):
            return evolve(event, user=event.user.replace("4111", "****"))
        return event

    client = face.client(before_send=before_send)
    session = client.create_session(id="u")
    await result(session.track_event(event="secret"))
    await result(session.track_conversation_turn(user="my card is 4111", assistant="thanks"))
    outcome = await result(client.flush())
    assert (1, 1) == (outcome.delivered, outcome.dropped)
    assert {"before_send": 1} == client.stats().reasons
    assert "my card is ****" == sink.events[0]["properties"]["user"]
    assert not session.has_errors(), "it was the program's wish"


async def failing(event: Event) -> Event:
    return event


@pytest.mark.parametrize("wrong", [lambda _: 1 / 0, lambda _: "text", lambda _: True, failing])
async def test_before_send_that_fails_lets_nothing_leave_and_harms_nothing(face: Face, sink: Sink, wrong: Any) -> None:
    hook = lambda event: wrong(event) if event.event == "bad" else event  # noqa: E731
    client = face.client(before_send=hook)
    session = client.create_session(id="u")
    for name in ("a", "bad", "b"):
        await result(session.track_event(event=name))
    outcome = await result(client.flush())
    assert (2, 1) == (outcome.delivered, outcome.dropped)
    assert {"before_send_failed": 1} == client.stats().reasons
    assert ["a", "b"] == sink.names()
    assert "before_send" in session.get_errors()[0].message


def test_before_send_must_be_a_plain_function() -> None:
    with pytest.raises(InvalidSetting, match="before_send must be a plain function"):
        Client(api_key="k", project_id="p", before_send=failing)


async def test_metadata_only_sends_lengths(face: Face, sink: Sink) -> None:
    client = face.client(content_mode="metadata_only", before_send=lambda event: event)
    session = client.create_session(id="u")
    await result(session.track_conversation_turn(user="a secret", assistant="hm", cost=0.5, properties={"k": "v"}))
    await result(session.track_function_call(name="f", args='{"word": "pst"}'))
    await result(session.track_event(event="e", properties={"k": "v"}))
    await result(client.flush())
    assert [
        {"user": "", "assistant": "", "user_length": 8, "assistant_length": 2, "cost": 0.5, "k": "v"},
        {"name": "f", "args_length": 15, "runtime": 0},
        {"k": "v"},
    ] == [event["properties"] for event in sink.events]
    assert b"secret" not in sink.requests[0].body
    assert b"pst" not in sink.requests[0].body


async def test_sessions_are_sampled_whole(face: Face, sink: Sink) -> None:
    client = face.client(sample_rate=0.5)
    for number in range(40):
        session = client.create_session(session_id=f"s{number}", id="u", attributes={"a": 1})
        for name in ("a", "b"):
            await result(session.track_event(event=name))
        await result(session.end_session())
    outcome = await result(client.flush())
    arrived = {event["session_id"] for event in sink.events}
    assert arrived == {f"s{number}" for number in range(40) if is_sampled(f"s{number}", 0.5)}
    assert 5 < len(arrived) < 35
    assert outcome.delivered == 4 * len(arrived)
    assert client.stats().reasons == {"sampled_out": 3 * (40 - len(arrived))}
    assert not client.has_errors()


async def test_an_id_that_is_set_decides_whether_a_session_is_sampled(face: Face, sink: Sink) -> None:
    client = face.client(sample_rate=0.5)
    ids = [f"s{number}" for number in range(40)]
    session = client.create_session(id="u")
    for each in ids:
        session.session_id = each
        for name in ("a", "b"):
            await result(session.track_event(event=name))
    await result(client.flush())
    assert [each for each in ids if is_sampled(each, 0.5) for _ in "ab"] == [
        event["session_id"] for event in sink.events
    ]


async def test_a_rate_of_zero_is_zero_and_one_is_all(face: Face, sink: Sink) -> None:
    nothing, all_of_it = face.client(sample_rate=0.0), face.client(sample_rate=1.0)
    for client in (nothing, all_of_it):
        for _ in range(20):
            await result(client.create_session(id="u").track_event(event="e"))
        await result(client.flush())
    assert (0, 20) == (nothing.stats().delivered, all_of_it.stats().delivered)


async def test_a_logging_handler_that_tracks_does_no_harm(face: Face, sink: Sink) -> None:
    import logging

    client = face.client()
    session = client.create_session(id="u")

    class Tracks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            outcome = session.track_event(event="logged", properties={"bad": object()})
            if asyncio.iscoroutine(outcome):
                outcome.close()

    handler = Tracks()
    logger = logging.getLogger("mindlytics")
    logger.addHandler(handler)
    try:
        await result(session.track_event(event="e", properties={"worse": object()}))
    finally:
        logger.removeHandler(handler)
    outcome = await result(client.flush(10))
    assert 0 == outcome.pending
    assert ["e", "logged", "logged"] == sorted(sink.names())


def test_what_stands_for_an_event_in_a_log_holds_nothing_of_it() -> None:
    turn = ConversationTurn(
        session_id="s-1", conversation_id="c", user="secret", assistant="secret", properties={"secret": "secret"}
    )
    assert "secret" not in repr([turn, Batch([(1, 1, 6, b"secret")])])
    assert "s-1" in repr(turn)


def test_events_are_equal_where_all_they_hold_is() -> None:
    one = CustomEvent(session_id="s", event="e", timestamp="2025-01-01T00:00:00Z")
    assert one == CustomEvent(session_id="s", event="e", timestamp="2025-01-01T00:00:00Z")
    assert hash(one) == hash(evolve(one))
    assert one != evolve(one, event="f")
    assert one != EndSession(session_id="s", timestamp="2025-01-01T00:00:00Z")
