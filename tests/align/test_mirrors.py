"""Sessions recorded for two services: what Align AI receives."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from attrs import evolve

from mindlytics import AsyncClient, Client, InvalidEvent, InvalidSetting
from mindlytics.align import AlignAI, AsyncAlignAI, mirror
from mindlytics.align.events import AlignEvent, MessageCreate
from mindlytics.events import ConversationTurn, Event

from ..conftest import Face, entered, result
from ..sink import Sink
from .mirrored import both, received


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
    ] == received(other)
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
    for arguments, field in (({"feedback": "up"}, "feedback"), ({"feedback": "thumbs_up", "turn": 0}, "turn")):
        with pytest.raises(InvalidEvent) as raised:
            await result(session.track_feedback(**arguments))
        assert field == raised.value.field
    await result(session.track_feedback("thumbs_down", turn=3))
    assert 1 == (await result(session.flush(10))).delivered
    assert {"feedback": "thumbs_down", "turn": 3} == sink.events[0]["properties"]


@pytest.mark.parametrize("turn", [2.7, "3", "a word"])
async def test_feedback_for_what_is_no_turn_is_refused(face: Face, sink: Sink, other: Sink, turn: Any) -> None:
    session = both(face, other).create_session(id="ada")
    await result(session.track_event(event="Feedback", properties={"feedback": "thumbs_up", "turn": turn}))
    await result(session.flush(10))
    assert "feedback_create" not in {event["decoded"].type for event in other.events}
    assert ["encoding failed (ValidationError)"] == [error.message for error in session.get_errors()]


async def test_two_projects_of_one_service_are_kept_apart(sink: Sink) -> None:
    with (
        AlignAI("one", "k", sink.url) as one,
        AlignAI("two", "k", sink.url) as two,
        Client(api_key="k", project_id="p", server_endpoint=sink.url, destinations=[one, two]) as client,
    ):
        client.create_session(id="ada").track_event(event="e")
        assert ["mindlytics", "align", "align 2"] == list(client.stats_of_each())
        assert 3 == client.flush(10).delivered


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
    assert [("session_open", "ada", "DEFAULT")] == received(other)


async def test_feedback_by_the_id_of_a_turn_needs_its_number_too(face: Face, other: Sink) -> None:
    session = both(face, other).create_session(session_id="s-1", id="ada")
    await result(session.track_conversation_turn(user="q1", assistant="", properties={"turn_id": "t-1"}))
    await result(session.track_feedback("thumbs_up", turn_id="t-1"))
    await result(session.track_feedback(value=0.5, turn=1))
    await result(session.track_feedback("thumbs_down", turn=1, turn_id="t-1", comment="So so."))
    await result(session.flush(20))
    assert ["session_open", "message_create", "feedback_create"] == [event[0] for event in received(other)]
    assert ("feedback_create", 2, "thumbs_down") == received(other)[-1]
