"""The ground of the integrations: a current session, and one turn for one question. No library is needed."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import weakref
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

import mindlytics
from mindlytics.integrations.quiet import quiet
from mindlytics.integrations.recording import Recorder
from mindlytics.integrations.texts import text_of
from mindlytics.tokens import Tokens, tokens_of

from .conftest import Face, eventually, result
from .sink import Sink

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


async def recorded(face: Face, sink: Sink) -> list[dict[str, Any]]:
    """The events of all clients of the face, in the order in which they were recorded."""
    for client in face.clients:
        await result(client.flush(20))
    return sink.events


async def test_a_session_is_current_in_its_block_in_its_tasks_and_in_copied_contexts(face: Face) -> None:
    session, inner = face.client().create_session(), face.client().create_session()

    async def seen() -> Any:
        return mindlytics.current_session()

    assert mindlytics.current_session() is None
    with mindlytics.current(session) as entered:
        assert entered is session
        task = asyncio.create_task(seen())
        with mindlytics.current(inner):
            assert mindlytics.current_session() is inner
        with mindlytics.current(None):
            assert mindlytics.current_session() is None
        context, found = contextvars.copy_context(), list[Any]()
        threads = [
            threading.Thread(target=lambda: found.append(context.run(mindlytics.current_session))),
            threading.Thread(target=lambda: found.append(mindlytics.current_session())),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert mindlytics.current_session() is None
    assert session is await task
    assert found in ([session, None], [session, session])  # Python 3.14 may hand the context on


async def test_a_question_is_one_turn_with_its_calls_before_it(face: Face, sink: Sink) -> None:
    session = face.client().create_session(id="ada")
    turn = Recorder(session).turn("How warm?", thread_id=7, assistant_id="weather", at=NOON)
    turn.use({"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}, "gpt")
    slow = turn.call("slow", {"room": 1}, at=NOON + timedelta(seconds=1))
    quick = turn.call("quick", "2", at=NOON + timedelta(seconds=1))
    quick.end("b", at=NOON + timedelta(seconds=1.25))
    slow.fail(ValueError("broken"), at=NOON + timedelta(seconds=3))
    turn.first_token(at=NOON + timedelta(seconds=3.5))
    turn.first_token(at=NOON + timedelta(seconds=3.9))
    turn.use(SimpleNamespace(input_tokens=20, output_tokens=5, cache_read_input_tokens=6), "gpt")
    turn.end("21 °C", at=NOON + timedelta(seconds=4))
    turn.end("again")
    slow.end("too late")
    first, second, last = await recorded(face, sink)
    at_end = {"turn_id": turn.id}
    assert {**at_end, "name": "quick", "args": "2", "result": "b", "runtime": 250} == first["properties"]
    assert {
        **at_end, "name": "slow", "args": '{"room": 1}', "result": "ValueError: broken", "runtime": 2000,
        "error": "ValueError",
    } == second["properties"]  # fmt: skip
    assert {
        **at_end, "user": "How warm?", "assistant": "21 °C", "assistant_id": "weather", "latency": 4000,
        "time_to_first_token": 3500, "model_calls": 2, "cached_tokens": 10,
        "model": "gpt", "prompt_tokens": 36, "completion_tokens": 6,
    } == last["properties"]  # fmt: skip
    assert {"7"} == {event["conversation_id"] for event in (first, second, last)}


def test_a_turn_is_freed_at_once_when_it_has_ended(sink: Sink) -> None:
    client = mindlytics.Client(api_key="key", project_id="project", server_endpoint=sink.url)
    turn = Recorder(client=client).turn("Warm?")
    turn.call("thermometer").end(21)
    turn.call("barometer")
    turn.end("21")
    freed = weakref.ref(turn)
    gc.disable()
    try:
        del turn
        assert freed() is None
    finally:
        gc.enable()
    client.close(20)


async def test_tokens_of_other_models_are_usage_of_their_own(face: Face, sink: Sink) -> None:
    turn = Recorder(face.client().create_session()).turn("Q")
    for model, tokens in (("small", 1), ("large", 10), ("small", 2), ("large", 20)):
        turn.use({"prompt_tokens": tokens, "completion_tokens": 0}, model)
    turn.end("A")
    events = await recorded(face, sink)
    assert ["Conversation Usage", "Conversation Turn"] == [event["event"] for event in events]
    assert "3" in str(events[0])
    assert "30" in str(events[1])


async def test_tokens_that_come_late_are_usage_of_the_turn(face: Face, sink: Sink) -> None:
    turn = Recorder(face.client().create_session()).turn("Q")
    turn.end("A")
    turn.use({"prompt_tokens": 1, "completion_tokens": 2}, "m")
    first, late = await recorded(face, sink)
    assert "Conversation Usage" == late["event"]
    assert first["properties"]["turn_id"] == late["properties"]["turn_id"]
    assert first["conversation_id"] == late["conversation_id"]


@pytest.mark.parametrize("how", ["error", "cancelled", "cancel"])
async def test_errors_and_cancellations_are_recorded_as_what_they_are(face: Face, sink: Sink, how: str) -> None:
    turn = Recorder(face.client().create_session()).turn("Q")
    turn.call("left open")
    if how == "cancel":
        turn.cancel("half")
    else:
        turn.fail(TimeoutError("secret") if how == "error" else asyncio.CancelledError(), "half")
    call, recorded_turn = (event["properties"] for event in await recorded(face, sink))
    assert call["cancelled"] is True
    assert "half" == recorded_turn["assistant"]
    assert "secret" not in str(recorded_turn)
    expected = {"error": "TimeoutError"} if how == "error" else {"cancelled": True}
    assert expected == {name: recorded_turn[name] for name in ("error", "cancelled") if name in recorded_turn}


async def test_a_question_within_another_one_is_a_part_of_it(face: Face, sink: Sink) -> None:
    session = face.client().create_session()
    outer = Recorder(session).turn("Q")
    with outer.active():
        inner = Recorder(session).turn("a prompt of a sub-agent")
        inner.use({"prompt_tokens": 1, "completion_tokens": 1}, "m")
        inner.call("tool").end("r")
        inner.end("the last words")
    outer.end()
    after = Recorder(session).turn("next")
    after.end("A")
    names = [event["properties"] for event in await recorded(face, sink)]
    assert ["tool", "Q", "next"] == [each.get("name") or each["user"] for each in names]
    assert "the last words" == names[1]["assistant"]


async def test_a_client_makes_one_session_a_thread_and_ends_what_has_none(face: Face, sink: Sink) -> None:
    recorder = Recorder(client=face.client())
    for thread in ("t", None, "t"):
        recorder.turn("Q", thread_id=thread).end("A")
    events = await recorded(face, sink)
    sessions = [event["session_id"] for event in events]
    assert "t" == sessions[0] == sessions[-1]
    assert ["track", "track", "end_session", "track"] == [event["type"] for event in events]
    assert sessions[1] == sessions[2] != "t"


async def test_the_end_of_the_session_that_was_idle_for_longest_may_wait_for_room(
    face: Face, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindlytics.integrations.sessions.MOST_SESSIONS", 1)
    recorder = Recorder(client=face.client(on_full="block", max_queue_events=1, block_timeout=20))
    recorder.turn("Q", thread_id="t").end("A")
    recorder.turn("Q", thread_id="u")
    await eventually(lambda: ["track", "end_session"] == [event["type"] for event in sink.events])


async def test_the_current_session_comes_before_the_client(face: Face, sink: Sink) -> None:
    client = face.client()
    with mindlytics.current(client.create_session(session_id="current")):
        Recorder(client=client).turn("Q").end("A")
    assert ["current"] == [event["session_id"] for event in await recorded(face, sink)]


def test_without_a_session_or_a_key_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLSDK_API_KEY", raising=False)
    turn = Recorder().turn("Q")
    turn.call("f").end("r")
    turn.end("A")
    assert turn.session is None


async def test_the_environment_describes_a_client(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    from mindlytics.integrations import sessions

    for name, value in (("API_KEY", "k"), ("PROJECT_ID", "p"), ("SERVER_BASE", sink.url)):
        monkeypatch.setenv(f"MLSDK_{name}", value)
    Recorder().turn("Q").end("A")
    client = sessions.default_client()
    assert client is sessions.default_client()
    assert client is not None
    client.close(20)
    assert ["track", "end_session"] == [event["type"] for event in sink.events]


async def test_nothing_is_raised_for_any_argument(face: Face, sink: Sink) -> None:
    class Hostile:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("a secret")

        def __str__(self) -> str:
            raise RuntimeError("a secret")

        __bool__ = __iter__ = __eq__ = __hash__ = __str__  # type: ignore[assignment]

    hostile: Any = Hostile()
    session = face.client(strict=True).create_session()
    turn = Recorder(session).turn(hostile, thread_id=hostile, assistant_id=hostile, properties={"x": hostile})
    call = turn.call(hostile, hostile)
    call.end(hostile)
    turn.use(hostile, hostile)
    turn.first_token(at=hostile)
    turn.end(hostile, at=hostile)


def test_a_failure_is_logged_once_and_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    @quiet
    def fail() -> None:
        raise ValueError("what was said")

    with caplog.at_level(logging.WARNING):
        assert [None, None] == [fail(), fail()]
    assert 1 == len(caplog.records)
    assert "ValueError at" in caplog.text
    assert "what was said" not in caplog.text


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4},
          "completion_tokens_details": {"reasoning_tokens": 2}}, Tokens(9, 3, 4, 0, 2)),
        ({"input_tokens": 9, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4},
          "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 12}, Tokens(9, 3, 4, 0, 2)),
        ({"input_tokens": 2, "output_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 5},
         Tokens(11, 3, 4, 5, 0)),
        ({"prompt_tokens": 11, "completion_tokens": 3, "cache_read_input_tokens": 4}, Tokens(11, 3, 4, 0, 0)),
        ({"prompt_token_count": 9, "candidates_token_count": 3, "thoughts_token_count": 2,
          "cached_content_token_count": 4}, Tokens(9, 5, 4, 0, 2)),
        ({"input_tokens": 9, "output_tokens": 3, "input_token_details": {"cache_read": 4, "cache_creation": 1},
          "output_token_details": {"reasoning": 2}}, Tokens(9, 3, 4, 1, 2)),
        ({"input_tokens": 9, "output_tokens": 3, "cache_read_tokens": 4, "cache_write_tokens": 1},
         Tokens(9, 3, 4, 1, 0)),
        ({"prompt_tokens": 9, "completion_tokens": None, "prompt_tokens_details": None}, Tokens(9, 0)),
        ({"total": 3}, None),
        (None, None),
        ({"prompt_tokens": -1, "completion_tokens": "x"}, None),
    ],
)  # fmt: skip
def test_tokens_are_read_by_the_names_of_each_library(usage: Any, tokens: Tokens | None) -> None:
    assert tokens == tokens_of(usage)
    assert tokens == tokens_of(SimpleNamespace(**usage or {}))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("a", "a"),
        (["a", {"type": "text", "text": "b"}, {"type": "image_url", "image_url": {}}], "ab"),
        ([SimpleNamespace(type="output_text", text="c"), SimpleNamespace(type="thinking", thinking="d")], "c"),
        ({"parts": [], "text": "e"}, "e"),
        ([{"thought": True, "text": "f"}, {"text": "g"}], "g"),
        ([{"role": "user", "content": [{"type": "input_text", "text": "h"}]}], "h"),
        (7, ""),
    ],
)
def test_texts_are_found_in_the_content_of_each_library(content: Any, text: str) -> None:
    assert text == text_of(content)


async def test_a_call_has_the_values_that_it_had_and_not_what_became_of_them(face: Face, sink: Sink) -> None:
    args, found = {"cities": ["Bern"]}, {"warmth": 21}
    turn = Recorder(face.client().create_session()).turn("Q")
    call = turn.call("warmth", args)
    args["cities"].append("Rome")
    call.end(found)
    found.clear()
    turn.end("A")
    recorded_call, _ = await recorded(face, sink)
    assert ('{"cities": ["Bern"]}', '{"warmth": 21}') == (
        recorded_call["properties"]["args"],
        recorded_call["properties"]["result"],
    )


async def test_feedback_names_a_turn_by_its_id_and_may_be_a_score_or_a_comment(face: Face, sink: Sink) -> None:
    session = face.client().create_session()
    turn = Recorder(session).turn("Q")
    turn.end("A")
    await result(session.track_feedback(value=0.5, comment="So so.", turn_id=turn.id))
    _, feedback = await recorded(face, sink)
    assert {"value": 0.5, "comment": "So so.", "turn_id": turn.id} == feedback["properties"]
    for wrong in ({}, {"value": "much"}, {"comment": 7}, {"feedback": "good", "value": 1}):
        with pytest.raises(mindlytics.InvalidEvent):
            session.track_feedback(**wrong)


async def test_comments_do_not_leave_where_texts_do_not(face: Face, sink: Sink) -> None:
    session = face.client(content_mode="metadata_only").create_session()
    await result(session.track_feedback("thumbs_up", comment="a secret"))
    (feedback,) = await recorded(face, sink)
    assert {"feedback": "thumbs_up", "comment_length": 8} == feedback["properties"]


async def test_the_usage_of_gemini_is_taken_as_it_comes(face: Face, sink: Sink) -> None:
    usage = {"model": "gemini", "prompt_token_count": 9, "candidates_token_count": 3, "thoughts_token_count": 2}
    await result(face.client().create_session().track_conversation_turn(user="Q", assistant="A", usage=usage))
    (turn,) = await recorded(face, sink)
    assert (9, 5) == (turn["properties"]["prompt_tokens"], turn["properties"]["completion_tokens"])
