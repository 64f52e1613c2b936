"""Every call of a session, on both faces: what it sends, what it refuses, what it remembers."""

from __future__ import annotations

import copy
import json
import logging
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mindlytics import Cost, InvalidEvent, TokenBasedCost
from mindlytics.events import ConversationFunction, ConversationUsage
from mindlytics.usage import as_usage
from mindlytics.values import now, parse_timestamp
from mindlytics.wire import QUEUE_PATH, encode

from .conftest import Face, entered, result
from .sink import Sink

TOKENS = {"model": "m", "prompt_tokens": 1, "completion_tokens": 2}
RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "data/recorded.jsonl").read_text("utf-8").splitlines()
]
STAMP = "2025-04-03T07:35:10.000Z"


async def test_recorded_calls_send_what_was_recorded(face: Face, sink: Sink) -> None:
    """Plays each recorded call. The requests must be the recorded ones."""
    client = face.client()
    names = {"client": client, "TokenBasedCost": TokenBasedCost, "Cost": Cost}
    names["session"] = client.create_session(session_id="sess-1", conversation_id="conv-1", id="u1", device_id="dev-1")
    names["session2"] = client.create_session(session_id="sess-2", device_id="dev-9")
    direct: list[Any] = []
    for row in RECORDED:
        call = row["call"] if row["path"] != QUEUE_PATH else row["call"][:-1] + f", timestamp='{STAMP}')"
        await result(eval(call.replace("(, ", "("), {}, names))
        direct.extend([row["body"]] if row["path"] != QUEUE_PATH else [])
    await result(client.flush())
    assert [row["body"] for row in RECORDED if row["path"] == QUEUE_PATH] == sink.events
    assert direct == [request.json for request in sink.requests if request.path != QUEUE_PATH]
    for request in sink.requests:
        assert "Bearer key-1" == request.headers["Authorization"]
        assert "proj-1" == request.headers["X-App-ID"]
        assert "application/json" == request.headers["Content-Type"]


async def test_a_session_as_a_context_manager_ends_itself(face: Face, sink: Sink) -> None:
    async with entered(face.client()) as client:
        async with entered(client.create_session()) as session:
            await result(session.track_event(event="Start Chat", properties={"from": "shopping cart"}))
            await result(session.track_conversation_turn(user="Which red?", assistant="What is your skin tone?"))
        assert ["track", "track", "end_session"] == [event["type"] for event in sink.events], (
            "leaving the block flushes"
        )
    start, turn, end = sink.events
    assert {event["session_id"] for event in sink.events} == {session.session_id}
    assert {event["device_id"] for event in sink.events} == {session.device_id}
    assert "conversation_id" not in start
    assert uuid.UUID(turn["conversation_id"]).version == uuid.UUID(session.session_id).version == 4
    assert {} == end["attributes"]


async def test_free_standing_calls_are_ended_by_end_session(face: Face, sink: Sink) -> None:
    client = face.client()
    session = client.create_session()
    await result(session.track_event(event="Start Chat", properties={"from": "shopping cart"}))
    await result(session.track_conversation_turn(user="Which red?", assistant="What is your skin tone?"))
    await result(session.end_session())
    assert await result(session.flush()) == await result(client.flush())
    assert ["track", "track", "end_session"] == [event["type"] for event in sink.events]


async def test_full_manual_control_of_the_past(face: Face, sink: Sink) -> None:
    session = face.client().create_session()
    session_id = await result(
        session.start_session(timestamp="2025-04-03T07:35:10.0000Z", user_id="jjacob", attributes={"store": "135"})
    )
    await result(
        session.track_event(timestamp="2025-04-03T07:35:35.0000Z", event="Start Chat", properties={"from": "cart"})
    )
    conversation_id = await result(
        session.start_conversation(
            timestamp="2025-04-03T07:35:35.0000Z", properties={"timezone": "America/Los_Angeles"}
        )
    )
    other = await result(session.start_conversation(conversation_id="other", attributes={"channel": "phone"}))
    await result(
        session.track_conversation_turn(
            conversation_id=conversation_id,
            timestamp="2025-04-03T07:36:03.0000Z",
            user="Which red?",
            assistant="What is your skin tone?",
            cost={"model": "gpt-4o", "prompt_tokens": 15, "completion_tokens": 19},
        )
    )
    assert session.conversation_id == other == "other"
    await result(session.end_conversation(conversation_id="other"))
    assert session.conversation_id == conversation_id
    await result(
        session.end_conversation(
            conversation_id=conversation_id, timestamp="2025-04-03T07:36:40.0000Z", properties={"device": "browser"}
        )
    )
    await result(session.end_session(timestamp="2025-04-03T07:37:15.0000Z", attributes={"resolved": True}))
    await result(session.flush())
    start, _, begun, _, turn, _, ended, end = sink.events
    assert session_id == session.session_id == start["session_id"]
    assert ("start_session", "jjacob", {"store": "135"}) == (start["type"], start["id"], start["attributes"])
    assert "Conversation Started" == begun["event"]
    assert {"timezone": "America/Los_Angeles"} == begun["properties"]
    assert "gpt-4o" == turn["properties"]["model"]
    assert "2025-04-03T07:36:03.0000Z" == turn["timestamp"]
    assert {"device": "browser"} == ended["properties"]
    assert {"resolved": True} == end["attributes"]


async def test_attributes_given_at_the_start_start_the_session_with_its_first_event(face: Face, sink: Sink) -> None:
    session = face.client().create_session(user_id="u", attributes={"plan": "pro"})
    await result(session.track_event(event="e", timestamp=STAMP))
    await result(session.track_event(event="f"))
    await result(session.flush())
    assert ["start_session", "track", "track"] == [event["type"] for event in sink.events]
    assert (
        {"plan": "pro"},
        STAMP,
        "u",
    ) == (sink.events[0]["attributes"], sink.events[0]["timestamp"], sink.events[0]["id"])


async def test_a_session_used_after_its_end_is_a_new_one_or_the_same_started_again(face: Face, sink: Sink) -> None:
    client = face.client()
    made, named = client.create_session(id="u"), client.create_session(session_id="given", id="u")
    first = made.session_id
    for session in (made, named):
        await result(session.track_event(event="a"))
        await result(session.end_session())
        await result(session.end_session())
        await result(session.track_event(event="b"))
    await result(client.flush())
    assert made.session_id != first
    kinds = [(event["session_id"], event["type"]) for event in sink.events]
    assert kinds == [
        (first, "track"), (first, "end_session"), (made.session_id, "track"),
        ("given", "track"), ("given", "end_session"), ("given", "start_session"), ("given", "track"),
    ]  # fmt: skip


async def test_a_session_that_recorded_nothing_sends_nothing(face: Face, sink: Sink) -> None:
    async with entered(face.client()) as client, entered(client.create_session()):
        pass
    assert [] == sink.requests


async def test_a_turn_begins_the_conversation_of_the_id_that_the_session_was_made_with(face: Face, sink: Sink) -> None:
    client = face.client()
    for number in range(3):  # three requests of one chat, each with a session object
        session = client.create_session(session_id="chat-1", id="ada")
        assert session.conversation_id is None
        await result(session.track_event(event="Visit"))
        await result(session.track_conversation_turn(user=str(number), assistant="a"))
        assert "chat-1" == session.conversation_id
    await result(client.flush())
    assert [None, "chat-1"] * 3 == [event.get("conversation_id") for event in sink.events]


async def test_the_sessions_own_conversation_begins_once(face: Face) -> None:
    session = face.client().create_session(session_id="chat-1", id="ada")
    explicit = await result(session.start_conversation())
    assert 4 == uuid.UUID(explicit).version
    await result(session.end_conversation())
    await result(session.track_conversation_turn(user="a", assistant="b"))
    assert session.conversation_id not in {"chat-1", explicit}
    again = face.client().create_session(session_id="chat-1", id="ada")
    await result(again.track_function_call(name="f"))
    assert "chat-1" == again.conversation_id
    await result(again.end_session())
    await result(again.track_conversation_usage(usage=1))
    assert 4 == uuid.UUID(again.conversation_id).version


@pytest.mark.parametrize(
    ("ids", "expected"), [({"session_id": "s"}, "s"), ({"session_id": "s", "conversation_id": "c"}, "c")]
)
async def test_a_copy_of_a_session_begins_the_same_conversation(face: Face, ids: dict[str, str], expected: str) -> None:
    copied = copy.copy(face.client().create_session(**ids, id="ada"))
    await result(copied.track_conversation_turn(user="a", assistant="b"))
    assert expected == copied.conversation_id
    unnamed = copy.copy(face.client().create_session(id="ada"))
    await result(unnamed.track_conversation_turn(user="a", assistant="b"))
    assert unnamed.session_id != unnamed.conversation_id


async def test_a_turn_begins_a_conversation_that_stays_current(face: Face, sink: Sink) -> None:
    session = face.client().create_session(id="u")
    await result(session.track_function_call(name="lookup", args="{}", result="[]", runtime=12))
    conversation = session.conversation_id
    await result(session.track_conversation_turn(user="a", assistant="b"))
    await result(session.track_conversation_usage(cost=0.01))
    await result(session.track_event(event="rated"))
    await result(session.flush())
    assert [event["conversation_id"] for event in sink.events] == [conversation] * 4
    await result(session.end_conversation())
    assert session.conversation_id is None


@pytest.mark.parametrize("name", ["usage", "cost"])
@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (TokenBasedCost(**TOKENS), TOKENS),
        (Cost(cost=0.5), {"cost": 0.5}),
        ({"cost": 1}, {"cost": 1}),
        ({**TOKENS, "total_tokens": 3}, TOKENS),
        (0.25, {"cost": 0.25}),
    ],
)  # fmt: skip
async def test_usage_and_cost_are_one_argument(face: Face, sink: Sink, name: str, argument: Any, expected: Any) -> None:
    session = face.client().create_session(id="u")
    await result(session.track_conversation_usage(**{name: argument}))
    await result(session.flush())
    assert expected == sink.events[0]["properties"]


async def test_identify_without_an_id_keeps_the_user(face: Face, sink: Sink) -> None:
    session = face.client().create_session(id="u", device_id="d")
    await result(session.user_identify(traits={"vip": True}))
    await result(session.user_identify(id="u2"))
    await result(session.flush())
    assert "u2" == session.id
    assert "u" == sink.events[0]["id"]
    assert "u" == sink.events[1]["user_id"]


async def test_user_id_is_another_spelling_of_id(face: Face) -> None:
    client = face.client()
    assert "u" == client.create_session(user_id="u").id
    with pytest.raises(InvalidEvent, match="user_id must be the same as id"):
        client.create_session(user_id="u", id="v")


class Moment(datetime):
    """A moment of another library's (pandas, pendulum)."""


@pytest.mark.parametrize("zone", [timezone.utc, timezone(timedelta(hours=-9, minutes=-30))], ids=str)
async def test_numbers_and_times_of_other_libraries_are_taken(face: Face, sink: Sink, zone: timezone) -> None:
    client = face.client()
    session = client.create_session(id="u")
    at = Moment(2025, 4, 3, 7, 35, 10, 123456, zone)
    counted = TokenBasedCost("m", numpy.int64(1), numpy.uint8(2))
    await result(session.track_conversation_turn(user="a", assistant="b", usage=counted, timestamp=at))
    await result(session.track_conversation_usage(usage=numpy.float64(0.25)))
    await result(session.track_conversation_usage(cost=numpy.float32(0.5)))
    await result(session.track_conversation_usage(cost={"cost": numpy.int16(3)}))
    await result(session.track_function_call(name="f", runtime=numpy.float64(1.5)))
    await result(session.track_feedback("thumbs_up", turn=numpy.int64(1)))
    assert 6 == (await result(client.flush(20))).delivered
    turn, *others = sink.events
    assert at == parse_timestamp(turn["timestamp"])
    assert (1, 2) == (turn["properties"]["prompt_tokens"], turn["properties"]["completion_tokens"])
    assert [0.25, 0.5, 3] == [event["properties"]["cost"] for event in others[:3]]
    assert [1.5, 1] == [others[3]["properties"]["runtime"], others[4]["properties"]["turn"]]


async def test_what_a_stopped_clock_and_before_send_give_is_sent(
    face: Face, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(event: Any) -> Any:
        return evolve(event, properties={"n": numpy.float64(0.5)})

    monkeypatch.setattr("mindlytics.session_state.datetime", Moment)
    client = face.client(before_send=add)
    await result(client.create_session(id="u").track_event(event="e"))
    assert 1 == (await result(client.flush(20))).delivered
    assert {"n": 0.5} == sink.events[0]["properties"]
    assert parse_timestamp(sink.events[0]["timestamp"]) <= now()


@given(st.one_of(st.integers(), st.floats(), st.integers(2**60, 2**66), st.integers(-(2**66), -(2**60))))
def test_a_number_is_refused_at_the_call_or_can_be_sent(number: float) -> None:
    where: dict[str, Any] = {"session_id": "s", "conversation_id": "c"}
    for make in (
        lambda: ConversationUsage(usage=as_usage(number, print), **where),
        lambda: ConversationUsage(usage=as_usage({**TOKENS, "prompt_tokens": number}, print), **where),
        lambda: ConversationFunction(name="f", runtime=number, **where),
    ):
        try:
            event = make()
        except InvalidEvent:
            continue
        assert number in json.loads(encode(event))["properties"].values()


MISUSE = [
    ("track_event", {}, "event must be a str of 1 to 100 characters, got nothing"),
    ("track_event", {"event": ""}, "event must be a str of 1 to 100 characters, got str of 0"),
    ("track_event", {"event": "e" * 101}, "got str of 101 characters"),
    ("track_event", {"event": 5}, "event must be .*, got int"),
    ("track_event", {"event": "e", "properties": [1]}, "properties must be a mapping"),
    ("track_event", {"event": "e", "timestamp": datetime(2025, 1, 1)}, "timestamp must be an aware datetime"),
    ("track_event", {"event": "e", "timestamp": "soon"}, "timestamp must be an ISO 8601"),
    ("track_event", {"event": "e", "conversation_id": "c" * 101}, "conversation_id must be"),
    ("track_event", {"event": "\ud800"}, "event must be valid Unicode"),
    ("track_conversation_turn", {"user": "u"}, "assistant must be a str, got nothing"),
    ("track_conversation_turn", {"user": 5, "assistant": "a"}, "user must be a str, got int"),
    ("track_conversation_turn", {"user": None, "assistant": "a"}, "user must be a str, got NoneType"),
    ("track_conversation_turn", {"user": "u", "assistant": 5}, "assistant must be a str, got int"),
    ("track_conversation_turn", {"user": "", "assistant": "", "usage": {"tokens": 5}}, "usage must be a mapping with"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": "much"}, "cost must be a TokenBasedCost"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": 1, "usage": 1}, "cost must be left out"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": float("nan")}, "cost must be a finite number"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": 10**400}, "cost must be a finite .*64 bits"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": -(2**63) - 1}, "cost must be a finite number"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": numpy.True_}, "cost must be a finite number"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": numpy.ones(2)}, "cost must be a Token"),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "assistant_id": ""}, "assistant_id must be"),
    ("track_conversation_usage", {}, "usage must be given"),
    ("track_conversation_usage", {"usage": {**TOKENS, "prompt_tokens": -1}}, "prompt_tokens must be an int"),
    ("track_conversation_usage", {"usage": {**TOKENS, "prompt_tokens": 2**64}}, "prompt_tokens must be .*64 bits"),
    ("track_conversation_usage", {"usage": {**TOKENS, "prompt_tokens": numpy.int64(-1)}}, "prompt_tokens must be an"),
    ("track_function_call", {}, "name must be a str of 1 to 100"),
    ("track_function_call", {"name": "f", "runtime": -1}, "runtime must be a number of milliseconds"),
    ("track_function_call", {"name": "f", "runtime": numpy.float64(-1)}, "runtime must be a number of milliseconds"),
    ("track_function_call", {"name": "f", "runtime": 10**400}, "runtime must be a finite number .*64 bits"),
    ("end_conversation", {}, "conversation_id must be given, since no conversation is open"),
    ("user_identify", {"id": ""}, "id must be"),
    ("user_alias", {"id": "a"}, "previous_id must be"),
    ("start_session", {"user_id": True}, "user_id must be .*, got bool"),
    ("start_session", {"user_id": 0.5}, "user_id must be .*, got float"),
    ("user_identify", {"id": datetime(2025, 1, 1)}, "id must be .*, got datetime"),
    ("start_conversation", {"conversation_id": ""}, "conversation_id must be"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "arguments", "words"), MISUSE, ids=[f"{row[0]}-{index}" for index, row in enumerate(MISUSE)]
)
async def test_misuse_is_reported_at_once_and_queues_nothing(face: Face, call: str, arguments: Any, words: str) -> None:
    client = face.client()
    session = client.create_session(id="u")
    with pytest.raises(InvalidEvent, match=words) as raised:
        await result(getattr(session, call)(**arguments))
    assert isinstance(raised.value, ValueError)
    assert 0 == client.stats().accepted


@pytest.mark.parametrize("name", ["session_id", "conversation_id", "id", "user_id", "device_id"])
@pytest.mark.parametrize("value", ["", "x" * 101, True])
def test_a_sessions_ids_are_checked_when_it_is_made(name: str, value: Any) -> None:
    from mindlytics import Client

    client = Client(api_key="k", project_id="p", server_endpoint="http://127.0.0.1:9")
    with pytest.raises(InvalidEvent, match=f"^{name} must be"):
        client.create_session(**{name: value})
    client.close()


async def test_property_values_never_crash_and_warn_once_for_each_key(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    session = face.client().create_session(id="u")
    with caplog.at_level(logging.WARNING, "mindlytics"):
        for _ in range(3):
            properties = {"ok": 1, "when": datetime(2025, 1, 1, tzinfo=timezone.utc), "bad": object(), "user": "mine"}
            await result(session.track_conversation_turn(user="\ud800!", assistant="a", properties=properties))
        await result(session.flush())
    expected = {"user": "\ufffd!", "assistant": "a", "ok": 1, "when": "2025-01-01T00:00:00+00:00"}
    assert [expected] * 3 == [event["properties"] for event in sink.events]
    lines = [record.getMessage() for record in caplog.records]
    assert 2 == len(lines)
    assert lines[0].startswith("properties.bad was left out")
    assert lines[1].startswith("properties.user was left out")


async def test_strict_raises_where_a_value_would_be_changed(face: Face) -> None:
    session = face.client(strict=True).create_session(id="u")
    with pytest.raises(InvalidEvent, match=r"properties.bad must be a plain string, number or boolean .*, got list"):
        await result(session.track_event(event="e", properties={"bad": [1]}))
    await result(session.track_event(event="e", properties={"fine": datetime(2025, 1, 1, tzinfo=timezone.utc)}))


async def test_environment_and_release_are_on_all_that_a_session_records(face: Face, sink: Sink) -> None:
    session = face.client(environment=" staging ", release="1.4").create_session(id="u", attributes={"plan": "pro"})
    await result(session.start_conversation(attributes={"topic": "parcels"}))
    await result(session.track_conversation_turn(user="Q", assistant="A", usage={**TOKENS}, properties={"release": 2}))
    await result(session.track_conversation_usage(usage=1))
    await result(session.track_function_call(name="f"))
    await result(session.track_event(event="e"))
    await result(session.track_feedback("thumbs_up"))
    await result(session.user_identify(traits={"name": "U"}))
    await result(session.end_conversation())
    await result(session.end_session())
    await result(session.flush(20))
    said = [
        (event.get("event", event["type"]), *(properties.get(name) for name in ("environment", "release")))
        for event in sink.events
        for properties in [event.get("properties") or event.get("attributes") or event["traits"]]
    ]
    assert [
        ("start_session", "staging", "1.4"),
        ("Conversation Started", "staging", "1.4"),
        ("Conversation Turn", "staging", 2),
        ("Conversation Usage", "staging", "1.4"),
        ("Conversation Function", "staging", "1.4"),
        ("e", "staging", "1.4"),
        ("Feedback", "staging", "1.4"),
        ("identify", None, None),
        ("Conversation Ended", "staging", "1.4"),
        ("end_session", "staging", "1.4"),
    ] == said
    assert {"environment": "staging", "release": "1.4", "plan": "pro"} == sink.events[0]["attributes"]


async def test_nothing_is_added_where_neither_environment_nor_release_is_set(
    face: Face, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSDK_RELEASE", " ")
    await result(face.client(environment="").create_session(id="u").track_event(event="e"))
    monkeypatch.setenv("MLSDK_ENVIRONMENT", "test\n")
    await result(face.client().create_session(id="u").track_event(event="e"))
    for client in face.clients:
        await result(client.flush(20))
    plain, started, event = sink.events
    assert [{}, {"environment": "test"}] == [plain["properties"], event["properties"]]
    assert {"environment": "test"} == started["attributes"]
