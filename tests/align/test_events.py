"""What Align AI accepts: every limit of its reference page, checked at the call."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy
import pytest

from mindlytics import MindlyticsError
from mindlytics.align import FEEDBACK_THUMBS_UP, ROLE_ASSISTANT, ROLE_USER, AlignAI, ValidationError
from mindlytics.align.events import COUNTRIES, MessageCreate, UserRecognize

from ..conftest import Face, result
from ..sink import Sink

Call = Callable[[AlignAI], Any]

TEN = {f"p{number}": "x" * 256 for number in range(10)}

GOOD: dict[str, Call] = {
    "the longest id": lambda it: it.close_session("s" * 64),
    "a user by id alone": lambda it: it.identify_user("u"),
    "a whole user": lambda it: it.identify_user(
        "u", "n" * 64, "e" * 256, "192.0.2.7", "KR", datetime(2020, 1, 1, tzinfo=timezone.utc), TEN
    ),
    "a naive time": lambda it: it.identify_user("u", create_time=datetime(2020, 1, 1)),
    "an empty display name": lambda it: it.identify_user("u", ""),
    "an assistant": lambda it: it.open_session("s", "u", "a" * 64, {"A_9": ""}),
    "no assistant": lambda it: it.open_session("s", "u", ""),
    "the longest name of a property": lambda it: it.open_session("s", "u", custom_properties={"k" * 64: "v"}),
    "a message": lambda it: it.create_message("s", 1, ROLE_USER, "x"),
    "the last index": lambda it: it.create_message("s", 2**31 - 1, ROLE_ASSISTANT, "x"),
    "half a pair of surrogates": lambda it: it.create_message("s", 1, "user", "\ud800"),
    "feedback of a message": lambda it: it.create_message_feedback("s", 1, FEEDBACK_THUMBS_UP),
    "feedback of a session": lambda it: it.create_session_feedback("s", "thumbs_down"),
}

BAD: list[tuple[str, str, Call]] = [
    ("session_id", "1 to 64", lambda it: it.close_session("")),
    ("session_id", "1 to 64", lambda it: it.close_session("s" * 65)),
    ("session_id", "1 to 64", lambda it: it.open_session(None, "u")),  # type: ignore[arg-type]
    ("session_id", "Unicode", lambda it: it.close_session("\ud800")),
    ("user_id", "1 to 64", lambda it: it.open_session("s", "u" * 65)),
    ("user_id", "1 to 64", lambda it: it.identify_user(True)),  # type: ignore[arg-type]
    ("assistant_id", "at most 64", lambda it: it.open_session("s", "u", "a" * 65)),
    ("assistant_id", "at most 64", lambda it: it.open_session("s", "u", None)),  # type: ignore[arg-type]
    ("display_name", "at most 64", lambda it: it.identify_user("u", "n" * 65)),
    ("email", "at most 256", lambda it: it.identify_user("u", email="e" * 257)),
    ("ip", "IPv4", lambda it: it.identify_user("u", ip="::1")),
    ("ip", "IPv4", lambda it: it.identify_user("u", ip="1.2.3")),
    ("ip", "IPv4", lambda it: it.identify_user("u", ip=16909060)),  # type: ignore[arg-type]
    ("country_code", "ISO 3166-1", lambda it: it.identify_user("u", country_code="XX")),
    ("country_code", "ISO 3166-1", lambda it: it.identify_user("u", country_code="KOR")),
    ("country_code", "capitals", lambda it: it.identify_user("u", country_code="kr")),
    ("create_time", "a datetime", lambda it: it.identify_user("u", create_time="2020-01-01")),  # type: ignore[arg-type]
    ("custom_properties", "not 11", lambda it: it.identify_user("u", custom_properties={**TEN, "x": ""})),
    ("custom_properties", "mapping", lambda it: it.open_session("s", "u", "a", ["x"])),  # type: ignore[arg-type]
    ("a name in custom_properties", "form", lambda it: it.open_session("s", "u", custom_properties={"": "v"})),
    ("a name in custom_properties", "form", lambda it: it.open_session("s", "u", custom_properties={"9a": "v"})),
    ("a name in custom_properties", "form", lambda it: it.open_session("s", "u", custom_properties={"a-b": "v"})),
    ("a name in custom_properties", "form", lambda it: it.open_session("s", "u", custom_properties={"a\n": "v"})),
    ("a name in custom_properties", "form", lambda it: it.open_session("s", "u", custom_properties={"k" * 65: "v"})),
    ("custom_properties.k", "at most 256", lambda it: it.create_message("s", 1, "user", "x", {"k": "v" * 257})),
    ("custom_properties.k", "a str", lambda it: it.create_message("s", 1, "user", "x", {"k": 1})),  # type: ignore[dict-item]
    ("message_index", "from 1", lambda it: it.create_message("s", 0, "user", "x")),
    ("message_index", "from 1", lambda it: it.create_message("s", -1, "user", "x")),
    ("message_index", "from 1", lambda it: it.create_message("s", True, "user", "x")),
    ("message_index", "from 1", lambda it: it.create_message("s", 1.5, "user", "x")),  # type: ignore[arg-type]
    ("message_index", "2147483647", lambda it: it.create_message("s", 2**31, "user", "x")),
    ("message_index", "from 1", lambda it: it.create_message_feedback("s", 0, "thumbs_up")),
    ("message_index", "from 1", lambda it: it.create_message_feedback("s", None, "thumbs_up")),  # type: ignore[arg-type]
    ("role", '"user" or "assistant"', lambda it: it.create_message("s", 1, "system", "x")),
    ("role", '"user" or "assistant"', lambda it: it.create_message("s", 1, ["user"], "x")),  # type: ignore[arg-type]
    ("content", "not empty", lambda it: it.create_message("s", 1, "user", "")),
    ("content", "not empty", lambda it: it.create_message("s", 1, "user", b"x")),  # type: ignore[arg-type]
    ("feedback_type", '"thumbs_up" or "thumbs_down"', lambda it: it.create_session_feedback("s", "up")),
    ("feedback_type", '"thumbs_up" or "thumbs_down"', lambda it: it.create_message_feedback("s", 1, "")),
]


@pytest.mark.parametrize("name", GOOD)
async def test_what_keeps_to_the_limits_is_delivered(align_face: Face, sink: Sink, name: str) -> None:
    client = align_face.client()
    await result(GOOD[name](client))
    assert 1 == (await result(client.close())).delivered


@pytest.mark.parametrize(("field", "rule", "call"), BAD)
def test_what_breaks_one_is_reported_at_the_call(field: str, rule: str, call: Call) -> None:
    with AlignAI("p", "k", "http://127.0.0.1:9") as client:
        with pytest.raises(ValidationError) as raised:
            call(client)
        assert 0 == client.stats().accepted
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, MindlyticsError)
    assert field == raised.value.field
    assert rule in str(raised.value)
    assert str(raised.value).startswith(f"{field} must be ")


def test_a_time_without_a_zone_is_in_utc() -> None:
    user = UserRecognize(user_id="u", create_time=datetime(2020, 1, 1, 12))
    assert datetime(2020, 1, 1, 12, tzinfo=timezone.utc) == user.create_time
    east = datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=9)))
    assert east == UserRecognize(user_id="u", create_time=east).create_time


class Moment(datetime):
    """A moment of another library's."""


class NoMoment(Moment):
    """As pandas' NaT is."""

    tzinfo = None

    def utcoffset(self) -> timedelta:
        raise ValueError

    def replace(self, **_: Any) -> NoMoment:  # type: ignore[override]
        return self


@pytest.mark.parametrize("zone", [None, timezone.utc, timezone(timedelta(hours=9))], ids=str)
async def test_numbers_and_times_of_other_libraries_are_taken(
    align_face: Face, sink: Sink, zone: timezone | None
) -> None:
    at = Moment(2020, 1, 1, 12, tzinfo=zone)
    client = align_face.client()
    await result(client.identify_user("u", create_time=at))
    await result(client.create_message("s", numpy.int64(7), "user", "x"))
    await result(client.create_message_feedback("s", numpy.int8(7), "thumbs_up"))
    assert 3 == (await result(client.flush(20))).delivered
    user, message, feedback = (event["decoded"] for event in sink.events)
    assert datetime(2020, 1, 1, 12, tzinfo=zone or timezone.utc) == user.create_time
    assert (7, 7) == (message.message_index, feedback.message_index)


def test_an_invalid_time_is_refused() -> None:
    with pytest.raises(ValidationError, match="create_time must be a datetime, got NoMoment"):
        UserRecognize(user_id="u", create_time=NoMoment(2020, 1, 1))
    assert datetime is type(UserRecognize(user_id="u", create_time=Moment(2020, 1, 1)).create_time)


class Failing(UserDict[str, str]):
    """Fails while it is read."""

    def __iter__(self) -> Iterator[str]:
        yield "a"
        raise RuntimeError("dictionary changed size during iteration")


def test_properties_that_cannot_be_read_are_misuse() -> None:
    with pytest.raises(ValidationError, match="custom_properties must be a mapping whose items can be read"):
        UserRecognize(user_id="u", custom_properties=Failing({"a": "1"}))


def test_what_the_caller_changes_later_changes_nothing() -> None:
    properties = {"a": "1"}
    event = UserRecognize(user_id="u", custom_properties=properties)
    properties["b"] = "2"
    assert {"a": "1"} == event.custom_properties


def test_no_repr_and_no_error_holds_what_was_said() -> None:
    event = MessageCreate(
        session_id="s", message_index=1, role="user", content="private", custom_properties={"a": "private"}
    )
    assert "private" not in repr(event)
    with pytest.raises(ValidationError) as raised:
        MessageCreate(session_id="private" * 10, message_index=1, role="user", content="x")
    assert "private" not in str(raised.value)


def test_the_codes_of_countries_are_those_of_the_time_zone_database() -> None:
    table = Path("/usr/share/zoneinfo/iso3166.tab")
    if not table.exists():
        pytest.skip("there is no time zone database here")
    lines = table.read_text("utf-8").splitlines()
    assert COUNTRIES == {line[:2] for line in lines if line and line[0] != "#"}
