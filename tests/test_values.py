"""What values become, and which timestamps are taken."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindlytics.errors import InvalidEvent
from mindlytics.values import check_timestamp, clean_scalars, moment, parse_timestamp, valid_text


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class HostilePath:
    def __fspath__(self) -> str:
        raise RuntimeError("no")


def clean(value: Any) -> tuple[dict[str, Any], list[str]]:
    told: list[str] = []
    return clean_scalars("properties", {"k": value}, lambda name, _, done: told.append(f"{name} {done}")), told


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("ünïcödé", "ünïcödé"),
        (1, 1),
        (True, True),
        (1.5, 1.5),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Decimal("0.25"), 0.25),
        (Decimal("7"), 7),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2025, 4, 3, tzinfo=timezone.utc), "2025-04-03T00:00:00+00:00"),
        (date(2025, 4, 3), "2025-04-03"),
        (timedelta(seconds=90), 90.0),
        (PurePosixPath("/a/b"), "/a/b"),
        (2**64 - 1, 2**64 - 1),
    ],
)
def test_what_is_a_scalar_at_heart_becomes_one_in_silence(value: Any, expected: Any) -> None:
    assert clean(value) == ({"k": expected}, [])


def test_numpy_scalars_become_python_scalars() -> None:
    numpy = pytest.importorskip("numpy")
    given = {"f": numpy.float32(0.5), "i": numpy.int64(3), "b": numpy.bool_(True), "d": numpy.float64(2.5)}
    cleaned = clean_scalars("properties", given, lambda *_: pytest.fail("reported"))
    assert cleaned == {"f": 0.5, "i": 3, "b": True, "d": 2.5}
    assert all(type(value) in (float, int, bool) for value in cleaned.values())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\ud800x", "\ufffdx"),
        (2**64, str(2**64)),
        ([1, "a"], '[1, "a"]'),
        ({"a": {"b": 1}}, '{"a": {"b": 1}}'),
        (b"bytes", "bytes"),
    ],
)
def test_what_does_not_fit_is_made_to_and_told(value: Any, expected: str) -> None:
    cleaned, told = clean(value)
    assert cleaned == {"k": expected}
    assert len(told) == 1
    assert told[0].startswith("properties.k changed")


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("NaN"), object(), Hostile(), HostilePath(), lambda: 1]
)
def test_what_cannot_fit_is_left_out_and_told(value: Any) -> None:
    cleaned, told = clean(value)
    assert cleaned == {}
    assert len(told) == 1
    assert "left out" in told[0]


def test_none_is_absent() -> None:
    assert clean(None) == ({}, [])


def test_names_become_strings_or_go() -> None:
    told: list[str] = []
    cleaned = clean_scalars("traits", {1: "a", Colour.RED: "b", None: "c"}, lambda name, *_: told.append(name))
    assert cleaned == {"1": "a", "red": "b"}
    assert told == ["traits.1", "traits.<NoneType>"]


def test_no_mapping_is_misuse() -> None:
    with pytest.raises(InvalidEvent, match=r"properties must be a mapping .*, got list"):
        clean_scalars("properties", ["a"], lambda *_: None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.dates()
    | st.decimals() | st.uuids() | st.datetimes() | st.builds(object),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters()) | st.integers() | st.none(), anything, max_size=5))
def test_whatever_comes_in_what_goes_out_can_be_encoded(given_properties: dict[Any, Any]) -> None:
    cleaned = clean_scalars("properties", given_properties, lambda *_: None)
    assert orjson.loads(orjson.dumps(cleaned)) == cleaned


@given(st.text(st.characters()))
def test_valid_text_is_utf_8(text: str) -> None:
    assert len(valid_text(text).encode("utf-8").decode("utf-8")) <= len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-04-03T07:35:10.0000Z", datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone.utc)),
        ("2025-04-03T07:35:10.123456789Z", datetime(2025, 4, 3, 7, 35, 10, 123456, tzinfo=timezone.utc)),
        ("2025-04-03 07:35+02:00", datetime(2025, 4, 3, 7, 35, tzinfo=timezone(timedelta(hours=2)))),
        ("2025-04-03T07:35:10-0530", datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone(-timedelta(hours=5, minutes=30)))),
        ("2025-04-03T07:35:10", datetime(2025, 4, 3, 7, 35, 10, tzinfo=timezone.utc)),
    ],
)
def test_iso_8601_is_read(text: str, expected: datetime) -> None:
    assert parse_timestamp(text) == expected
    check_timestamp("timestamp", text)
    assert moment(text) == (text if text[-1] == "Z" or text[-6] in "+-" or text[-5] in "+-" else text + "Z")


@pytest.mark.parametrize(
    "text", ["yesterday", "2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "", "2025-04-03", "1743665710"]
)
def test_what_is_no_moment_is_misuse(text: str) -> None:
    with pytest.raises(InvalidEvent, match="timestamp must be an ISO 8601 date and time"):
        check_timestamp("timestamp", text)


def test_a_naive_datetime_is_refused_and_a_number_too() -> None:
    with pytest.raises(InvalidEvent, match="timestamp must be an aware datetime"):
        check_timestamp("timestamp", datetime(2025, 4, 3))
    with pytest.raises(InvalidEvent, match="got int"):
        check_timestamp("timestamp", 1743665710)
