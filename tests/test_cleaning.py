"""What the values of property maps become."""

from __future__ import annotations

import collections
import enum
import json
import subprocess
import sys
import threading
import types
import uuid
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any

import numpy
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mindlytics.cleaning import clean_scalars
from mindlytics.errors import InvalidEvent


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
    reports: list[str] = []
    return clean_scalars("properties", {"k": value}, lambda name, _, done: reports.append(f"{name} {done}")), reports


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
def test_lossless_conversions_are_silent(value: Any, expected: Any) -> None:
    assert ({"k": expected}, []) == clean(value)


def test_numpy_scalars_become_python_scalars() -> None:
    numbers = {"f": numpy.float32(0.5), "i": numpy.int64(3), "b": numpy.bool_(True), "d": numpy.float64(2.5)}
    cleaned = clean_scalars("properties", numbers, lambda *_: pytest.fail("reported"))
    assert {"f": 0.5, "i": 3, "b": True, "d": 2.5} == cleaned
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
def test_what_does_not_fit_is_made_to_and_reported(value: Any, expected: str) -> None:
    cleaned, reports = clean(value)
    assert {"k": expected} == cleaned
    assert 1 == len(reports)
    assert reports[0].startswith("properties.k changed")


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("NaN"), object(), Hostile(), HostilePath(), lambda: 1]
)
def test_what_cannot_fit_is_left_out_and_reported(value: Any) -> None:
    cleaned, reports = clean(value)
    assert {} == cleaned
    assert 1 == len(reports)
    assert "left out" in reports[0]


def test_none_is_absent() -> None:
    assert ({}, []) == clean(None)


def test_names_become_strings_or_go() -> None:
    reports: list[str] = []
    cleaned = clean_scalars("traits", {1: "a", Colour.RED: "b", None: "c"}, lambda name, *_: reports.append(name))
    assert {"1": "a", "red": "b"} == cleaned
    assert ["traits.1", "traits.<NoneType>"] == reports


def test_no_mapping_is_misuse() -> None:
    with pytest.raises(InvalidEvent, match=r"properties must be a mapping .*, got list"):
        clean_scalars("properties", ["a"], lambda *_: None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.dates()
    | st.decimals() | st.uuids() | st.datetimes() | st.builds(object),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.dictionaries(st.text(st.characters()) | st.integers() | st.none(), anything, max_size=5))
def test_whatever_comes_in_what_goes_out_can_be_encoded(given_properties: dict[Any, Any]) -> None:
    cleaned = clean_scalars("properties", given_properties, lambda *_: None)
    assert orjson.loads(orjson.dumps(cleaned)) == cleaned


def lines_of(reports: list[str]) -> str:
    return "; ".join(reports)


class Whole(int):
    """As bson's Int64, pydantic's ByteSize and tomlkit's integers are."""


class Odd(int):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __le__ = __ge__ = __lt__ = __gt__ = __index__ = __int__ = __eq__  # type: ignore[assignment]
    __hash__ = int.__hash__


def test_an_integer_of_a_subclass_does_not_stop_the_process() -> None:
    program = (
        "from mindlytics.cleaning import clean_scalars\n"
        "class Whole(int): pass\n"
        "print(clean_scalars('properties', {'n': Whole(2**40)}, print))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "{'n': 1099511627776}" == ran.stdout.strip()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Whole(7), 7),
        (Odd(7), 7),
        (Fraction(1, 4), 0.25),
        (Fraction(6, 3), 2),
        (Decimal("0E+1000000"), 0),
        (numpy.datetime64("2025-04-03T07:35:10.123456000", "ns"), "2025-04-03T07:35:10.123456"),
        (numpy.datetime64("2025-04-03T07:35:10.123456789", "ns"), "2025-04-03T07:35:10.123456789"),
        (numpy.datetime64("2025-04-03", "D"), "2025-04-03"),
        (numpy.datetime64("20250-04-03", "s"), "20250-04-03T00:00:00"),
        (numpy.timedelta64(1_500_000_000, "ns"), 1.5),
        (numpy.timedelta64(90, "s"), 90.0),
        (numpy.longdouble("0.5"), 0.5),
        (numpy.str_("text"), "text"),
        (numpy.array(5), 5),
        (ip_address("192.0.2.7"), "192.0.2.7"),
    ],
)  # fmt: skip
def test_rarer_scalars_go_in_silence_too(value: Any, expected: Any) -> None:
    cleaned, reports = clean(value)
    assert ({"k": expected}, []) == (cleaned, reports)
    assert type(expected) is type(cleaned["k"])


@pytest.mark.parametrize("value", [numpy.datetime64("NaT", "ns"), numpy.timedelta64("NaT", "ns")])
def test_what_stands_for_a_missing_value_is_absent(value: Any) -> None:
    assert ({}, []) == clean(value)


@pytest.mark.parametrize(
    ("value", "expected", "words"),
    [
        (Decimal("1E+30"), "1E+30", "became a string"),
        (Decimal("1E-1000"), "1E-1000", "became a string"),
        (Decimal("1E+1000000"), "1E+1000000", "became a string"),
        (Decimal("7" * 1000), None, "left out"),
        (1 << 5000, None, "more than 2048 bits"),
        (Fraction(10**400, 3), None, "too large"),
        (numpy.timedelta64(1, "M"), None, "left out"),
        (numpy.complex128(1j), None, "left out"),
        ([1.5, float("nan"), None], "[1.5, null, null]", "JSON"),
        ({"a": float("inf"), "b": 1, "c": object()}, '{"b": 1}', "JSON"),
        ({datetime(2025, 4, 3): Decimal("0.5")}, '{"2025-04-03T00:00:00": 0.5}', "JSON"),
        (numpy.arange(3), "[0, 1, 2]", "JSON"),
        ([[]] * 20_000, None, "10_000 values"),
        (["x" * 1000] * 2000, None, "1_000_000 characters"),
    ],
)  # fmt: skip
def test_what_would_take_long_or_is_no_json_is_bounded(value: Any, expected: Any, words: str) -> None:
    cleaned, reports = clean(value)
    assert ({} if expected is None else {"k": expected}) == cleaned
    assert words in lines_of(reports)
    assert 1 == len(reports)


def test_a_container_in_itself_is_left_out() -> None:
    endless: list[Any] = []
    endless.append(endless)
    cleaned, reports = clean(endless)
    assert {} == cleaned
    assert "50 containers" in lines_of(reports)


def test_values_of_pandas_become_what_they_mean() -> None:
    pandas = pytest.importorskip("pandas")
    properties = {
        "moment": pandas.Timestamp("2025-04-03T07:35:10.000000001Z"),
        "span": pandas.Timedelta(1500, "ms"),
        "none": pandas.NaT,
        "na": pandas.NA,
        "month": pandas.Period("2025-04"),
        "number": pandas.Series([1, 2])[1],
    }
    expected = {"moment": "2025-04-03T07:35:10.000000001+00:00", "span": 1.5, "month": "2025-04", "number": 2}
    assert expected == clean_scalars("properties", properties, lambda *_: pytest.fail("reported"))


def test_values_of_bson_become_what_they_mean() -> None:
    bson = pytest.importorskip("bson")
    decimal128, int64 = pytest.importorskip("bson.decimal128"), pytest.importorskip("bson.int64")
    properties = {
        "id": bson.ObjectId("0123456789ab0123456789ab"),
        "number": int64.Int64(2**40),
        "price": decimal128.Decimal128("0.25"),
        "moment": pytest.importorskip("bson.timestamp").Timestamp(0, 1),
    }
    expected = {
        "id": "0123456789ab0123456789ab",
        "number": 2**40,
        "price": 0.25,
        "moment": "1970-01-01T00:00:00+00:00",
    }
    assert expected == clean_scalars("properties", properties, lambda *_: pytest.fail("reported"))


@pytest.mark.parametrize("library", ["wrapt", "lazy_object_proxy"])
@pytest.mark.parametrize("value", [7, True, "text", 0.5, Decimal("0.5"), Colour.RED, None, numpy.int64(7)])
def test_a_proxy_is_what_it_stands_for(library: str, value: Any) -> None:
    proxies = pytest.importorskip(library)
    proxy = proxies.ObjectProxy(value) if library == "wrapt" else proxies.Proxy(lambda: value)
    assert clean(value) == clean(proxy)
    assert {"a": 1} == clean_scalars("properties", types.MappingProxyType({"a": 1}), lambda *_: None)


class Lazy(Mapping[str, Any]):
    """Computes its items: some, and then an error or ever more."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def __len__(self) -> int:
        raise RuntimeError("not known")

    def __iter__(self) -> Iterator[str]:
        yield "a"
        if self.error is not None:
            raise self.error
        number = 0
        while True:
            number += 1
            yield f"n{number}"

    def __getitem__(self, name: str) -> Any:
        return name


@pytest.mark.parametrize("error", [None, OSError("gone"), RuntimeError("changed size during iteration")])
def test_a_mapping_that_fails_or_has_no_end_raises_nothing(error: Exception | None) -> None:
    reports: list[str] = []
    cleaned = clean_scalars("properties", Lazy(error), lambda name, _, done: reports.append(f"{name} {done}"))
    assert "a" == cleaned["a"]
    assert 10_000 >= len(cleaned)
    assert ["properties shortened: not all of its items could be read"] == reports
    _, reports = clean(Lazy(error))
    assert 1 == len(reports)


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict, collections.defaultdict])
def test_a_mapping_that_another_thread_changes_raises_nothing(kind: Any) -> None:
    shared = kind()
    shared.update({str(number): object() if number == 0 else number for number in range(100)})
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            for number in range(100, 200):
                shared[str(number)] = number
            for number in range(100, 200):
                del shared[str(number)]

    changing = threading.Thread(target=change)
    switches = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        changing.start()
        for _ in range(300):
            clean_scalars("properties", shared, lambda *_: None)
            clean_scalars("properties", {"nested": shared}, lambda *_: None)
    finally:
        over.set()
        changing.join()
        sys.setswitchinterval(switches)


class Liar:
    """Raises if its class is asked for."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("no")


def test_what_lies_about_its_class_raises_nothing_as_value_or_name_and_is_misuse_as_mapping() -> None:
    reports: list[str] = []
    cleaned = clean_scalars(
        "properties", {"a": Liar(), Liar(): 1, "b": [Liar()]}, lambda name, *_: reports.append(name)
    )
    assert {"b": "[null]"} == cleaned
    assert ["properties.a", "properties.<Liar>", "properties.b"] == reports
    with pytest.raises(InvalidEvent, match="got Liar"):
        clean_scalars("properties", Liar(), lambda *_: None)


def test_a_long_name_is_shown_short() -> None:
    reports: list[str] = []
    clean_scalars("properties", {"n" * 1000: float("nan")}, lambda name, *_: reports.append(name))
    assert [f"properties.{'n' * 100}…"] == reports


def test_json_text_of_a_container_is_json() -> None:
    cleaned, _ = clean({"a": [numpy.float32(0.5), {"b": (float("nan"), "\ud800")}], 1: {Colour.RED}})
    assert {"a": [0.5, {"b": [None, "\ufffd"]}], "1": ["red"]} == json.loads(cleaned["k"])
