"""One conversation, two services: what Align AI has of a session that is recorded for Mindlytics."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve

from mindlytics import AsyncClient, Client, InvalidEvent, InvalidSetting
from mindlytics.align import AlignAI, AsyncAlignAI, mirror
from mindlytics.align.events import AlignEvent, MessageCreate
from mindlytics.events import ConversationTurn, Event

from .. import sink as faults
from ..conftest import Face, entered, eventually, result
from ..live_service import Heard, LiveService
from ..programs import FORKING, run
from ..sink import Sink


@pytest.fixture
def other() -> Iterator[Sink]:
    """Align AI's service, beside that of Mindlytics."""
    made = Sink()
    yield made
    made.close()


def both(face: Face, other: Sink, **settings: Any) -> Any:
    kind = AsyncAlignAI if face.is_async else AlignAI
    return face.client(destinations=[kind("p", "k", other.url, max_retry_wait=0.05)], **settings)


def told(sink: Sink) -> list[tuple[Any, ...]]:
    """What Align AI was told, in short."""
    found: list[tuple[Any, ...]] = []
    for it in (event["decoded"] for event in sink.events):
        names = ("user_id", "assistant_id", "message_index", "role", "content", "feedback_type")
        found.append((it.type, *(getattr(it, name) for name in names if getattr(it, name, None) is not None)))
    return found


async def test_a_session_goes_to_both_with_one_call_for_each_turn(face: Face, sink: Sink, other: Sink) -> None:
    client = both(face, other)
    async with entered(client.create_session(session_id="s-1", id="ada")) as session:
        await result(session.track_conversation_turn(user="q1", assistant="a1", assistant_id="bot"))
        await result(session.track_event(event="Clicked"))
        await result(session.track_function_call(name="f"))
        await result(session.track_conversation_turn(user="q2", assistant=""))
        await result(session.track_feedback("thumbs_up", turn=1))
        await result(session.track_feedback("thumbs_down"))
    assert [
        ("session_open", "ada", "bot"),
        ("message_create", 1, "user", "q1"),
        ("message_create", 2, "assistant", "a1"),
        ("message_create", 3, "user", "q2"),
        ("feedback_create", 2, "thumbs_up"),
        ("feedback_create", "thumbs_down"),
        ("session_close",),
    ] == told(other)
    assert {"s-1"} == {event["session_id"] for event in other.events}
    feedback = [event["properties"] for event in sink.events if event.get("event") == "Feedback"]
    assert [{"feedback": "thumbs_up", "turn": 1}, {"feedback": "thumbs_down"}] == feedback
    each = client.stats_of_each()
    assert {"mindlytics": (7, 7), "align": (7, 7)} == {
        name: (stats.accepted, stats.delivered) for name, stats in each.items()
    }
    assert 14 == client.stats().delivered == (await result(session.flush())).delivered
    assert client.destinations[0].stats() == each["align"]


async def test_users_and_properties_go_as_far_as_they_fit(
    face: Face, sink: Sink, other: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    client = both(face, other)
    session = client.create_session(id="ada", attributes={"beta": True, "level": 3})
    traits = {"name": "Ada", "email": "ada@example.org", "ip": "somewhere", "country_code": "KR", "plan": "pro"}
    many = {f"p{number}": number for number in range(12)}
    with caplog.at_level(logging.WARNING, "mindlytics"):
        await result(session.user_identify(traits=traits))
        for _ in range(2):
            await result(
                session.track_conversation_turn(
                    user="q", assistant="", properties={"a b": 1, "long": "x" * 257, **many}
                )
            )
        await result(client.flush(10))
    opened, user, message, _ = (event["decoded"] for event in other.events)
    assert {"beta": "true", "level": "3"} == opened.custom_properties
    assert ("ada", "Ada", "ada@example.org", None, "KR", {"plan": "pro"}) == (
        user.user_id,
        user.display_name,
        user.email,
        user.ip,
        user.country_code,
        user.custom_properties,
    )
    assert {f"p{number}": f"{number}" for number in range(10)} == message.custom_properties
    warned = [record.getMessage().partition(" is not sent to Align AI")[0] for record in caplog.records]
    assert ["properties.a b", "properties.long", "properties.p10", "properties.p11", "traits.ip"] == sorted(warned)
    assert "somewhere" not in caplog.text


async def test_times_are_those_of_the_events(face: Face, other: Sink) -> None:
    client = both(face, other)
    session = client.create_session(device_id="device-7")
    await result(session.track_conversation_turn(user="q", assistant="", timestamp="2025-04-03T07:35:10.25Z"))
    await result(client.flush(10))
    opened, message = (event["decoded"] for event in other.events)
    assert "device-7" == opened.user_id
    assert "2025-04-03T07:35:10.250000+00:00" == opened.timestamp.isoformat() == message.timestamp.isoformat()


async def test_a_session_that_is_taken_up_again_continues_with_its_numbers(
    face: Face, other: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "MAX_SESSIONS", 2)
    client = both(face, other)
    for _ in range(2):
        session = client.create_session(session_id="chat", id="ada")
        await result(session.track_conversation_turn(user="q", assistant="a"))
    await result(session.end_session())
    await result(session.track_conversation_turn(user="q", assistant="a"))
    for number in range(3):
        await result(client.create_session(session_id=f"other-{number}", id="u").track_event(event="e"))
    await result(client.flush(10))
    mine = [event["decoded"] for event in other.events if event["session_id"] == "chat"]
    assert [1, 2, 3, 4, 5, 6] == [it.message_index for it in mine if it.type == "message_create"]
    assert ["session_open", "session_close", "session_open"] == [it.type for it in mine if "session" in it.type]
    assert len(mirror._sessions) <= 2


@pytest.mark.parametrize("way", ["one session", "taken up again"])
async def test_a_session_that_is_met_all_the_time_continues_with_its_numbers(
    face: Face, other: Sink, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(mirror, "MAX_SESSIONS", 3)
    client = both(face, other)
    chat = client.create_session(session_id="chat", id="ada")
    for number in range(8):
        session = chat if way == "one session" and number < 7 else client.create_session(session_id="chat", id="ada")
        await result(session.track_conversation_turn(user="q", assistant="a"))
        await result(client.create_session(session_id=f"other-{number}", id="u").track_event(event="e"))
    await result(client.flush(10))
    mine = [event["decoded"] for event in other.events if event["session_id"] == "chat"]
    assert list(range(1, 17)) == [it.message_index for it in mine if it.type == "message_create"]
    assert len(mirror._sessions) <= 3


async def test_neither_service_gets_what_is_held_back(face: Face, sink: Sink, other: Sink) -> None:
    def before_send(event: Event) -> Event | None:
        if not isinstance(event, ConversationTurn):
            return event
        if event.user == "drop me":
            return None
        if event.user == "break":
            raise KeyError
        return evolve(event, user=event.user.replace("secret", "***"), assistant="")

    client = both(face, other, before_send=before_send)
    session = client.create_session(id="ada")
    for user in ("drop me", "a secret", "break"):
        await result(session.track_conversation_turn(user=user, assistant="secret"))
    await result(client.flush(10))
    assert ["***"] == [event["decoded"].content.split()[1] for event in other.events[1:]]
    assert {"before_send": 3, "before_send_failed": 2} == client.stats_of_each()["align"].reasons
    assert {"before_send": 1, "before_send_failed": 1} == client.stats_of_each()["mindlytics"].reasons


async def test_lengths_go_in_place_of_texts_to_both(face: Face, sink: Sink, other: Sink) -> None:
    client = both(face, other, content_mode="metadata_only")
    await result(client.create_session(id="ada").track_conversation_turn(user="secret", assistant="hidden one"))
    await result(client.flush(10))
    assert ["(6 characters)", "(10 characters)"] == [event["decoded"].content for event in other.events[1:]]
    sent = b"".join(request.body for request in [*sink.requests, *other.requests])
    assert b"secret" not in sent
    assert b"hidden" not in sent


async def test_a_session_that_is_not_sampled_goes_to_neither(face: Face, sink: Sink, other: Sink) -> None:
    client = both(face, other, sample_rate=0)
    await result(client.create_session(id="ada").track_conversation_turn(user="q", assistant="a"))
    await result(client.flush(10))
    assert ([], []) == (sink.requests, other.requests)


async def test_a_client_that_is_disabled_records_for_neither(face: Face, sink: Sink, other: Sink) -> None:
    client = both(face, other, enabled=False)
    session = client.create_session(id="ada")
    await result(session.track_conversation_turn(user="q", assistant="a"))
    assert {"disabled": 1} == client.stats().reasons
    assert 0 == (await result(client.close(10))).delivered
    assert ([], []) == (sink.requests, other.requests)


@pytest.mark.parametrize("down", ["mindlytics", "align"])
async def test_a_service_that_is_down_holds_up_nothing_of_the_other(
    face: Face, sink: Sink, other: Sink, down: str
) -> None:
    (sink if down == "mindlytics" else other).always = faults.hang
    client = both(face, other, flush_interval=0)
    session = client.create_session(id="ada")
    for number in range(20):
        await result(session.track_conversation_turn(user=f"{number}", assistant="a"))
    up = "align" if down == "mindlytics" else "mindlytics"
    flushed = await result(session.flush(1))
    assert flushed.pending > 0
    each = client.stats_of_each()
    assert (0, 0) == (each[up].pending, each[down].delivered)
    assert each[up].delivered == each[up].accepted > 0
    closed = await result(client.close(0.3))
    assert each[down].accepted == closed.dropped + closed.pending


@pytest.mark.parametrize("on", ["an earlier loop", "no loop"])
def test_what_was_recorded_on(on: str, sink: Sink, other: Sink) -> None:
    """It goes to the service that is well, while the client that closes waits for the one that hangs."""
    sink.always = faults.hang
    align = AsyncAlignAI("p", "k", other.url)
    client = AsyncClient(api_key="k", project_id="p", server_endpoint=sink.url, destinations=[align])

    async def record() -> None:
        await client.create_session(id="ada").track_conversation_turn(user="u", assistant="a")

    if on == "no loop":
        with suppress(StopIteration):
            record().send(None)
    else:
        asyncio.run(record())
    asyncio.run(client.close(0.5))
    sink.stopping.set()
    assert {"mindlytics": (0, 1), "align": (3, 0)} == {
        name: (stats.delivered, stats.dropped) for name, stats in client.stats_of_each().items()
    }


async def test_to_ask_for_errors_sends_nothing(face: Face, sink: Sink, other: Sink) -> None:
    kind = AsyncAlignAI if face.is_async else AlignAI
    client = face.client(destinations=[kind("p", "k", other.url, flush_interval=60)], flush_interval=60)
    session = client.create_session(id="ada")
    await result(session.track_conversation_turn(user="u", assistant="a"))
    assert (False, []) == (session.has_errors(), session.get_errors())
    assert {1, 3} == {stats.pending for stats in client.stats_of_each().values()}
    assert 0 == client.pipeline.flush_up_to
    assert [] == other.requests == sink.requests
    assert (4, 0) == ((closed := await result(client.close(10))).delivered, closed.pending)


async def test_services_that_all_hang_are_closed_by_one_deadline(face: Face, sink: Sink, other: Sink) -> None:
    sink.always = other.always = faults.hang
    kind = AsyncAlignAI if face.is_async else AlignAI
    destinations = [kind(f"p{number}", "k", other.url, flush_interval=0) for number in range(12)]
    client = face.client(destinations=destinations, flush_interval=0)
    await result(client.create_session(id="ada").track_event(event="e"))
    await eventually(lambda: 12 == len(other.requests) == 12 * len(sink.requests))
    began = time.monotonic()
    closed = await result(client.close(0.2))
    assert time.monotonic() - began < 3, "the grace of 0.3 seconds is not for each of them"
    assert 13 == closed.dropped + closed.pending


async def test_a_full_queue_there_makes_no_call_wait_here(face: Face, sink: Sink, other: Sink) -> None:
    other.always = faults.hang
    kind = AsyncAlignAI if face.is_async else AlignAI
    slow = kind("p", "k", other.url, max_queue_events=2, on_full="block", block_timeout=60)
    client = face.client(destinations=[slow])
    session = client.create_session(id="ada")
    for number in range(20):
        await result(session.track_conversation_turn(user=f"{number}", assistant="a"))
    assert {"queue_full": 39} == slow.stats().reasons
    await eventually(lambda: client.stats_of_each()["mindlytics"].delivered == 20)


async def test_what_does_not_fit_at_all_is_a_loss_there(face: Face, sink: Sink, other: Sink) -> None:
    losses: list[Any] = []
    client = both(face, other)
    session = client.create_session(session_id="s" * 65, id="ada", on_error=losses.append)
    await result(session.track_conversation_turn(user="q", assistant=""))
    assert (1, 2) == ((outcome := await result(session.flush(10))).delivered, outcome.dropped)
    await eventually(lambda: bool(losses))
    assert ["encoding failed (ValidationError)"] * 2 == [error.message for error in session.get_errors()]
    assert session.has_errors()
    assert client.has_errors()
    assert 1 == len(sink.events)


@pytest.mark.parametrize("shared", [False, True])
async def test_closing_the_client_closes_its_destinations(face: Face, sink: Sink, other: Sink, shared: bool) -> None:
    client = both(face, other)
    if shared:
        both(face, other)  # goes on, with the same pipelines
    session = client.create_session(id="ada")
    await result(session.track_event(event="e"))
    assert 2 == (await result(client.close())).delivered
    (destination,) = client.destinations
    assert destination.is_closed
    await result(session.track_conversation_turn(user="q", assistant=""))
    assert [{"closed": 1}] * 2 == [stats.reasons for stats in client.stats_of_each().values()]


@pytest.mark.parametrize(
    "destinations", [[AlignAI], ["align"], "align", 5, [Client]], ids=["class", "text", "name", "number", "client"]
)
def test_a_wrong_destination_is_named(destinations: Any) -> None:
    with pytest.raises(InvalidSetting, match="destinations must be a list of"):
        Client(api_key="k", project_id="p", destinations=destinations)


async def test_a_destination_is_of_its_clients_face() -> None:
    client = AsyncAlignAI("p", "k")
    with pytest.raises(InvalidSetting, match="of this client's own face"):
        Client(api_key="k", project_id="p", destinations=[client])
    with AlignAI("p", "k") as blocking, pytest.raises(InvalidSetting, match="of this client's own face"):
        AsyncClient(api_key="k", project_id="p", destinations=[blocking])
    await client.close()


async def test_feedback_is_checked_and_an_event_like_others(face: Face, sink: Sink) -> None:
    session = face.client().create_session(id="ada")
    for given, field in (({"feedback": "up"}, "feedback"), ({"feedback": "thumbs_up", "turn": 0}, "turn")):
        with pytest.raises(InvalidEvent) as raised:
            await result(session.track_feedback(**given))
        assert field == raised.value.field
    await result(session.track_feedback("thumbs_down", turn=3))
    assert 1 == (await result(session.flush(10))).delivered
    assert {"feedback": "thumbs_down", "turn": 3} == sink.events[0]["properties"]


async def test_two_projects_of_one_service_are_kept_apart(sink: Sink) -> None:
    with (
        AlignAI("one", "k", sink.url) as one,
        AlignAI("two", "k", sink.url) as two,
        Client(api_key="k", project_id="p", server_endpoint=sink.url, destinations=[one, two]) as client,
    ):
        client.create_session(id="ada").track_event(event="e")
        assert ["mindlytics", "align", "align 2"] == list(client.stats_of_each())
        assert 3 == client.flush(10).delivered


async def test_threads_that_share_a_session_never_share_an_index(sink: Sink, other: Sink) -> None:
    client = Client(api_key="k", project_id="p", server_endpoint=sink.url, destinations=[AlignAI("p", "k", other.url)])
    session = client.create_session(id="ada")

    def talk() -> None:
        for _ in range(50):
            session.track_conversation_turn(user="q", assistant="a")

    await asyncio.gather(*(asyncio.to_thread(talk) for _ in range(4)))
    await asyncio.to_thread(client.close, 20)
    indexes = sorted(
        event["decoded"].message_index for event in other.events if event["decoded"].type == "message_create"
    )
    assert list(itertools.islice(itertools.count(1), 400)) == indexes


async def test_the_hook_decides_about_a_turn_once_there(face: Face, sink: Sink, other: Sink) -> None:
    def hook(_: Event) -> None:
        nonlocal calls
        calls += 1

    calls = 0
    client = both(face, other, before_send=hook)
    await result(client.create_session(id="ada").track_conversation_turn(user="q", assistant="a"))
    await result(client.flush(10))
    assert 3 == calls, "the turn here; the session's start and the turn there"
    assert {"before_send": 3} == client.stats_of_each()["align"].reasons


async def test_a_destination_holds_back_what_its_own_settings_say(face: Face, sink: Sink, other: Sink) -> None:
    kind = AsyncAlignAI if face.is_async else AlignAI

    def before_send(event: AlignEvent) -> AlignEvent:
        return evolve(event, custom_properties={}) if isinstance(event, MessageCreate) else event

    for mode in ("full", "metadata_only"):
        destination = kind("p", "k", other.url, content_mode="metadata_only", before_send=before_send)
        client = face.client(destinations=[destination], content_mode=mode)
        await result(
            client.create_session(id="ada").track_conversation_turn(
                user="secret", assistant="", properties={"hidden": "too"}
            )
        )
        await result(client.flush(10))
    assert [("(6 characters)", {})] * 2 == [
        (event["decoded"].content, event["decoded"].custom_properties)
        for event in other.events
        if event["decoded"].type == "message_create"
    ]
    assert "secret" == sink.events[0]["properties"]["user"]


async def test_the_assistant_of_a_session_is_one_that_may_leave_and_fits(
    face: Face, other: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    def before_send(event: Event) -> Event | None:
        if not isinstance(event, ConversationTurn) or event.user == "as it is":
            return event
        return evolve(event, assistant_id="bot") if event.user == "change" else None

    client = both(face, other, before_send=before_send)
    for user, assistant_id in (("change", "secret"), ("drop", "secret"), ("as it is", "x" * 65)):
        session = client.create_session(id="ada")
        await result(session.track_conversation_turn(user=user, assistant="", assistant_id=assistant_id))
        await result(client.flush(10))
    opened = [event["decoded"] for event in other.events if event["decoded"].type == "session_open"]
    assert ["bot", "DEFAULT", "DEFAULT"] == [it.assistant_id for it in opened]
    assert "assistant_id is not sent to Align AI: it has more than 64 characters" in caplog.text


async def test_an_event_of_ones_own_may_be_named_feedback(face: Face, sink: Sink, other: Sink) -> None:
    client = both(face, other)
    session = client.create_session(id="ada")
    await result(session.track_event(event="Feedback", properties={"rating": 5}))
    flushed = await result(session.flush(10))
    assert (2, 0) == (flushed.delivered, flushed.dropped)
    assert [("session_open", "ada", "DEFAULT")] == told(other)


async def test_a_strict_destination_that_was_closed_raises_nothing_here(face: Face, sink: Sink, other: Sink) -> None:
    kind = AsyncAlignAI if face.is_async else AlignAI
    destination = kind("p", "k", other.url, strict=True)
    client = face.client(destinations=[destination])
    session = client.create_session(id="ada")
    await result(destination.close())
    await result(session.track_conversation_turn(user="q", assistant="a"))
    flushed = await result(session.flush(10))
    assert (1, 3, 0) == (flushed.delivered, flushed.dropped, flushed.pending)


@pytest.mark.parametrize("own", [False, True], ids=["handler", "handler of both"])
async def test_the_clients_handler_is_called_for_losses_there(face: Face, sink: Sink, other: Sink, own: bool) -> None:
    losses: list[Any] = []
    other.always = faults.status(401)
    kind = AsyncAlignAI if face.is_async else AlignAI
    destination = kind("p", "k", other.url, on_error=losses.append if own else None)
    client = face.client(destinations=[destination], on_error=losses.append)
    await result(client.create_session(id="ada").track_conversation_turn(user="q", assistant="a"))
    await result(client.close(10))
    assert 3 == sum(loss.count for loss in losses)


async def test_a_destination_that_is_down_does_not_delay_the_live_end(
    live: Face, service: LiveService, other: Sink
) -> None:
    heard = Heard()
    other.always = faults.hang
    service.tells_of_ends = False
    client = both(live, other, shutdown_timeout=0.3, live_timeout=30)
    session = client.create_session(session_id="s", on_event=heard.on_event)
    timer = threading.Timer(0.6, service.tell, ["Session Ended"])
    async with entered(session):
        await result(session.track_event(event="Hello"))
        timer.start()
    assert ["Session Started", "Hello", "Session Ended"] == heard.names
    timer.join()
    other.stopping.set()


def test_a_fork_while_the_hook_runs_holds_up_no_child(sink: Sink) -> None:
    program = """
        import os, threading, time
        from mindlytics import Client
        from mindlytics.align import AlignAI
        inside, forked = threading.Event(), threading.Event()
        def before_send(event):
            if destination.pipeline._thread is threading.current_thread() and event.session_id == 'parent':
                inside.set()
                forked.wait(30)
            return event
        destination = AlignAI(flush_interval=0)
        client = Client(before_send=before_send, destinations=[destination])
        client.create_session(session_id='parent', id='u').track_event(event='e')
        assert inside.wait(30)
        child = os.fork()
        client.create_session(session_id=f'child-{child == 0}', id='u').track_event(event='e')
        if child:
            forked.set()
            os.waitpid(child, 0)
        assert client.close(30).pending == 0
    """
    ran = run(sink, program, *FORKING)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ["child-False", "child-True", "parent"] == sorted(
        event["session_id"] for event in sink.events if "decoded" in event
    )
