"""Arguments as programs in production have them: they become what they mean, and raise nothing."""

from __future__ import annotations

import enum
import itertools
import logging
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
import numpy
import pytest

from mindlytics import Cost, InvalidEvent, TokenBasedCost
from mindlytics.values import parse_timestamp

from .conftest import Face, result
from .sink import Sink

TOKENS = {"model": "m", "prompt_tokens": 1, "completion_tokens": 2}

NAMELESS = SimpleNamespace(input_tokens=1, output_tokens=2)


class Event(enum.Enum):
    SIGNED_UP = "Signed Up"


class Model:
    """As pydantic's are."""

    def __init__(self, **options: Any) -> None:
        self.__dict__.update(options)

    def model_dump(self) -> dict[str, Any]:
        return dict(self.__dict__)


class Failing(Mapping[str, Any]):
    def __getitem__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


async def recorded(face: Face, sink: Sink, call: str, **arguments: Any) -> dict[str, Any]:
    """The event that a call of a session makes, as the service has it."""
    client = face.client()
    await result(getattr(client.create_session(id="u"), call)(**arguments))
    assert 0 == (await result(client.flush(20))).pending
    event: dict[str, Any] = sink.events[-1]
    return event


SILENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("track_conversation_turn", {"user": "u", "assistant": None}, {"assistant": ""}),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "assistant_id": 7}, {"assistant_id": "7"}),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "cost": Decimal("0.25")}, {"cost": 0.25}),
    ("track_conversation_turn", {"user": "u", "assistant": "a", "usage": SimpleNamespace(**TOKENS)}, TOKENS),
    ("track_conversation_usage", {"usage": {**TOKENS, "prompt_tokens": 40.0}}, {"prompt_tokens": 40}),
    ("track_conversation_usage", {"usage": {**TOKENS, "completion_tokens": Decimal(40)}}, {"completion_tokens": 40}),
    ("track_conversation_usage", {"usage": {**TOKENS, "total_tokens": 3, "details": {"cached": 0}}}, TOKENS),
    ("track_conversation_usage", {"usage": Model(model="m", input_tokens=1, output_tokens=2, tier=None)}, TOKENS),
    ("track_conversation_usage", {"usage": TokenBasedCost(**TOKENS, total_tokens=3)}, TOKENS),  # type: ignore[arg-type]
    ("track_conversation_usage", {"usage": numpy.float32(0.5)}, {"cost": 0.5}),
    ("track_function_call", {"name": "f", "args": {"a": [1, Decimal("0.5")]}}, {"args": '{"a": [1, 0.5]}'}),
    ("track_function_call", {"name": "f", "result": [datetime(2025, 4, 3)]}, {"result": '["2025-04-03T00:00:00"]'}),
    ("track_function_call", {"name": "f", "result": True}, {"result": "true"}),
    ("track_function_call", {"name": "f", "result": 40.0}, {"result": "40.0"}),
    ("track_function_call", {"name": "f", "result": Model(city="Aarhus")}, {"result": '{"city": "Aarhus"}'}),
    ("track_function_call", {"name": "f", "result": numpy.arange(2)}, {"result": "[0, 1]"}),
    ("track_function_call", {"name": "f", "result": None}, {}),
    ("track_function_call", {"name": "f", "runtime": timedelta(seconds=1.5)}, {"runtime": 1500.0}),
    ("track_function_call", {"name": "f", "runtime": None}, {"runtime": 0}),
    ("track_function_call", {"name": Event.SIGNED_UP}, {"name": "Signed Up"}),
    ("track_feedback", {"feedback": "thumbs_up", "turn": 3.0}, {"turn": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("call", "arguments", "expected"), SILENT)
async def test_what_loses_nothing_becomes_what_it_means_in_silence(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture, call: str, arguments: dict[str, Any], expected: Any
) -> None:
    caplog.set_level(logging.WARNING, "mindlytics")
    properties = (await recorded(face, sink, call, **arguments))["properties"]
    assert expected == {name: properties[name] for name in expected}
    assert {type(value) for value in expected.values()} == {type(properties[name]) for name in expected}
    assert [] == caplog.messages


IDS: list[tuple[Any, str]] = [
    (12345, "12345"),
    (numpy.int64(12345), "12345"),
    (12345.0, "12345"),
    (numpy.float64(12345), "12345"),
    (Decimal(12345), "12345"),
    (2**127, str(2**127)),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (Event.SIGNED_UP, "Signed Up"),
]


@pytest.mark.parametrize(("value", "expected"), IDS)
async def test_ids_become_text(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture, value: Any, expected: str
) -> None:
    caplog.set_level(logging.WARNING, "mindlytics")
    client = face.client()
    session = client.create_session(session_id=value, conversation_id=value, user_id=value, id=value, device_id=value)
    assert [expected] * 4 == [session.session_id, session.conversation_id, session.id, session.device_id]
    await result(session.start_session(user_id=value, device_id=value))
    await result(session.start_conversation(conversation_id=value))
    await result(session.track_event(event="e", conversation_id=value))
    await result(session.track_conversation_turn(user="u", assistant="a", conversation_id=value))
    await result(session.user_identify(id=value, device_id=value))
    await result(session.user_alias(id=value, previous_id=value))
    await result(session.end_conversation(conversation_id=value))
    assert (7, 0) == ((flushed := await result(client.flush(20))).delivered, flushed.dropped)
    for event in sink.events:
        ids = {
            event[name] for name in ("session_id", "conversation_id", "user_id", "id", "previous_id") if name in event
        }
        assert {expected} == ids
    assert [] == caplog.messages


@pytest.mark.parametrize("missing", [float("nan"), numpy.float64("nan"), numpy.datetime64("NaT", "ns")])
def test_a_missing_id_is_none(face: Face, missing: Any) -> None:
    session = face.client().create_session(id=missing, session_id=missing)
    assert session.id is None
    assert 36 == len(session.session_id)
    with pytest.raises(InvalidEvent, match="previous_id must be"):
        session.user_alias(id="a", previous_id=missing)


LOSSY: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("track_function_call", {"name": "f", "args": {"a": object(), "b": 1}}, {"args": '{"b": 1}'}, "args was changed"),
    ("track_function_call", {"name": "f", "result": object()}, {}, "result was"),
    ("track_function_call", {"name": "f", "result": Failing()}, {"result": "{}"}, "result was changed"),
    ("track_function_call", {"name": "f", "result": float("nan")}, {}, "result was"),
    ("track_conversation_usage", {"usage": NAMELESS}, {"model": "unknown"}, "usage.model was set to 'unknown'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "arguments", "expected", "words"), LOSSY)
async def test_what_loses_something_warns_once_or_raises_where_the_client_is_strict(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture, call: str, arguments: Any, expected: Any, words: str
) -> None:
    caplog.set_level(logging.WARNING, "mindlytics")
    strict = face.client(strict=True).create_session(id="u")
    with pytest.raises(InvalidEvent, match=r"\(strict\), got"):
        getattr(strict, call)(**arguments)
    client = face.client()
    session = client.create_session(id="u")
    for _ in range(2):
        await result(getattr(session, call)(**arguments))
    assert 2 == (await result(client.flush(20))).delivered
    properties = sink.events[-1]["properties"]
    assert expected == {name: properties[name] for name in expected}
    assert 1 == len(caplog.messages)
    assert words in caplog.text


@pytest.mark.parametrize(
    ("value", "expected", "words"),
    [
        (numpy.datetime64("2025-04-03T07:35:10.5", "ns"), datetime(2025, 4, 3, 7, 35, 10, 500_000), "taken as UTC"),
        (numpy.datetime64("2025-04-03"), datetime(2025, 4, 3), "taken as UTC"),
        (numpy.datetime64("NaT", "ns"), None, "replaced by the current time"),
    ],
)
async def test_times_of_numpy_are_in_utc(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture, value: Any, expected: datetime | None, words: str
) -> None:
    event = await recorded(face, sink, "track_event", event="e", timestamp=value)
    at = parse_timestamp(event["timestamp"])
    assert at.replace(tzinfo=None) == expected if expected else at.year > 2025
    assert words in caplog.text
    with pytest.raises(InvalidEvent, match=r"timestamp must be given so that it is not .*\(strict\)"):
        face.client(strict=True).create_session().track_event(event="e", timestamp=value)


async def test_times_of_pandas_are_taken(face: Face, sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    pandas = pytest.importorskip("pandas")
    aware = pandas.Timestamp("2025-04-03T07:35:10Z")
    expected = datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone.utc)
    assert expected == parse_timestamp(
        (await recorded(face, sink, "track_event", event="e", timestamp=aware))["timestamp"]
    )
    assert [] == caplog.messages
    for value in (aware.tz_localize(None), pandas.NaT):
        event = await recorded(face, sink, "track_event", event="e", timestamp=value)
        assert value is pandas.NaT or expected == parse_timestamp(event["timestamp"])
    assert "taken as UTC" in caplog.text


async def test_a_float_beyond_its_precision_is_an_id_with_a_warning(
    face: Face, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    assert "9007199254740994" == face.client().create_session(id=2.0**53 + 2).id
    assert "may differ from the id in its last digits" in caplog.text


def test_tokens_of_a_data_frame_are_whole_numbers() -> None:
    counted = TokenBasedCost("m", 40.0, numpy.float64(2))  # type: ignore[arg-type]
    assert (40, 2) == (counted.prompt_tokens, counted.completion_tokens)
    assert int is type(counted.prompt_tokens) is type(counted.completion_tokens)
    assert Cost(0.5) == Cost(Decimal("0.5"))  # type: ignore[arg-type]
    for wrong in (40.5, -1, True, "40", float("nan"), float("inf"), Decimal("0.5"), None):
        with pytest.raises(InvalidEvent, match="prompt_tokens must be an int"):
            TokenBasedCost("m", wrong, 0)  # type: ignore[arg-type]


OPENAI = {
    "prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2},
}  # fmt: skip
RESPONSES = {
    "input_tokens": 9, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 2},
}  # fmt: skip
ANTHROPIC = {"input_tokens": 2, "output_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3}
GEMINI = {
    "prompt_token_count": 9, "candidates_token_count": 1, "thoughts_token_count": 2, "cached_content_token_count": 4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "usage"),
    [(TokenBasedCost, OPENAI), *itertools.product([dict, SimpleNamespace], [OPENAI, RESPONSES, ANTHROPIC, GEMINI])],
)
async def test_tokens_of_caches_and_of_reasoning_are_kept(face: Face, sink: Sink, make: Any, usage: Any) -> None:
    arguments = {"user": "u", "assistant": "a", "usage": make(model="m", **usage)}
    properties = (await recorded(face, sink, "track_conversation_turn", **arguments))["properties"]
    wrote = {"cache_write_tokens": 3} if usage is ANTHROPIC else {"reasoning_tokens": 2}
    expected = {"model": "m", "prompt_tokens": 9, "completion_tokens": 3, "cached_tokens": 4, **wrote}
    assert {"user": "u", "assistant": "a", **expected} == properties


def test_parts_of_tokens_are_arguments_and_checked() -> None:
    counted = TokenBasedCost("m", 9, 3, cached_tokens=4.0, reasoning_tokens=None)  # type: ignore[arg-type]
    assert (4, 0, 0) == (counted.cached_tokens, counted.cache_write_tokens, counted.reasoning_tokens)
    assert TokenBasedCost("m", 10, 3, cached_tokens=4) == attrs.evolve(counted, prompt_tokens=10)
    with pytest.raises(InvalidEvent, match="cached_tokens must be an int"):
        TokenBasedCost("m", 9, 3, cached_tokens=-1)


@pytest.mark.parametrize("usage", [Failing(), SimpleNamespace(prompt_tokens=1), "much", [1], object()])
def test_usage_of_neither_shape_is_misuse(face: Face, usage: Any) -> None:
    with pytest.raises(InvalidEvent, match="usage must be a"):
        face.client().create_session().track_conversation_usage(usage=usage)


async def test_direct_calls_and_those_of_align_take_ids_that_are_numbers(face: Face, sink: Sink) -> None:
    client = face.client()
    assert {"id": "5", "device_id": "6"} == client._identify_body(5, 6.0, None)  # type: ignore[arg-type]
    assert {"id": "5", "previous_id": "6"} == client._alias_body(5, 6.0)  # type: ignore[arg-type]


async def test_align_takes_ids_that_are_numbers(align_face: Face, sink: Sink) -> None:
    client = align_face.client()
    await result(client.open_session(5, 6.0, 7))
    await result(client.create_message(5, 1.0, "user", "x"))
    assert 2 == (await result(client.flush(20))).delivered
    opened, said = (event["decoded"] for event in sink.events)
    assert ("5", "6", "7") == (opened.session_id, opened.user_id, opened.assistant_id)
    assert ("5", 1) == (said.session_id, said.message_index)
