"""A hundred thousand values of every kind that programs put into properties: none raises, none takes long."""

from __future__ import annotations

import collections
import decimal
import enum
import random
import sys
import time
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import numpy
import orjson
import pytest

from mindlytics.cleaning import clean_scalars

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="it is run on one Python")

VALUES = 100_000
HUGE = 1 << 10**6
BOUND = 2.0
"""Seconds for one call: far more than any takes, and far less than for ever."""

Make = Callable[[random.Random], Any]


class Whole(int):
    pass


class Part(float):
    pass


class Words(str):
    __slots__ = ()


class Level(enum.IntEnum):
    HIGH = 3


class Plan(enum.Enum):
    NESTED = (1, {"a": decimal.Decimal("0.1")})
    PATH = PurePosixPath("/a")


class Hostile:
    """Every question is answered with an error."""

    def _no(self, *_: object) -> Any:
        raise RuntimeError("no")

    __str__ = __repr__ = __int__ = __float__ = __index__ = __iter__ = __len__ = __bool__ = __eq__ = __hash__ = _no
    __fspath__ = __getattr__ = __format__ = __class__ = _no  # type: ignore[assignment]


class HostileWhole(int):
    def _no(self, *_: object) -> Any:
        raise RuntimeError("no")

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __int__ = __index__ = __str__ = __repr__ = __format__ = _no
    __hash__ = int.__hash__


class Lazy(Mapping[Any, Any]):
    """Fails at some item, or has no end."""

    def __init__(self, fails_at: int) -> None:
        self._fails_at = fails_at

    def __len__(self) -> int:
        return self._fails_at

    def __iter__(self) -> Iterator[Any]:
        number = 0
        while number != self._fails_at:
            yield number
            number += 1
        raise (RuntimeError, KeyError, OSError)[number % 3]("no more")

    def __getitem__(self, key: Any) -> Any:
        return key


def of_numpy(dice: random.Random) -> Any:
    kinds = [
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble",
    ]  # fmt: skip
    units = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
    drawn = dice.randrange(8)
    if drawn == 0:
        return numpy.datetime64(dice.choice(["NaT", dice.randrange(-(2**62), 2**62)]), dice.choice(units))
    if drawn == 1:
        return numpy.timedelta64(dice.choice(["NaT", dice.randrange(-(2**62), 2**62)]), dice.choice(units))
    if drawn == 2:
        return dice.choice([numpy.str_("é"), numpy.bytes_(b"\xff"), numpy.void(b"raw")])
    if drawn == 3:
        return dice.choice([numpy.float32("nan"), numpy.float64("inf"), numpy.longdouble("-inf"), numpy.array(3)])
    if drawn == 4:
        return numpy.arange(dice.randrange(20)).reshape(-1, 1)
    if drawn == 5:
        return numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])[0]
    return numpy.dtype(dice.choice(kinds)).type(dice.randrange(100))


@cache
def constants_of_pandas() -> list[Any]:
    pandas = pytest.importorskip("pandas")
    return [
        pandas.NaT, pandas.NA, pandas.Timestamp.now("UTC"), pandas.Period("2025-04"), pandas.Interval(0, 1),
        pandas.Series([1, 2]), pandas.DataFrame({"a": [1]}), pandas.DateOffset(days=1), pandas.Categorical(["a"])[0],
        pandas.Index([1])[0], pandas.array([1, None], dtype="Int64")[1],
    ]  # fmt: skip


def of_pandas(dice: random.Random) -> Any:
    pandas = pytest.importorskip("pandas")
    if dice.random() < 0.2:
        return dice.choice([pandas.Timestamp, pandas.Timedelta])(dice.randrange(2**60))
    return dice.choice(constants_of_pandas())


def of_bson(dice: random.Random) -> Any:
    pytest.importorskip("bson")
    from bson import (
        SON,
        Binary,
        Code,
        DatetimeMS,
        DBRef,
        Decimal128,
        Int64,
        MaxKey,
        ObjectId,
        Regex,
        Timestamp,
    )

    return dice.choice(
        [
            Int64(dice.randrange(-(2**63), 2**63)), ObjectId(), Decimal128("1E+6000"), Decimal128("NaN"),
            Timestamp(dice.randrange(2**32), 1), DatetimeMS(dice.randrange(-(2**62), 2**62)), SON(a=Int64(1)),
            Binary(b"\x00\xff"), Regex("a+"), Code("f()"), DBRef("c", ObjectId()), MaxKey(),
        ]
    )  # fmt: skip


def of_numbers(dice: random.Random) -> Any:
    digits = str(dice.randrange(10**5)) * dice.choice([1, 1, 1, 6, 600])
    exponent = dice.choice([0, -5, 5, 300, -300, 10_000, 999_999, -999_999])
    return dice.choice(
        [
            decimal.Decimal(f"{digits}E{exponent}"), decimal.Decimal("sNaN"), decimal.Decimal("-Infinity"),
            Fraction(dice.randrange(2**80), dice.randrange(1, 9)), Fraction(1 << dice.choice([10, 2000, 100_000]), 3),
            Whole(dice.randrange(2**70)), HostileWhole(5), Part("nan"), Part(0.5), 1 << dice.choice([64, 3000]), HUGE,
            -(2**63) - 1, 2**64, float("nan"), 1e308, complex(1, 2),
        ]
    )  # fmt: skip


def of_the_rest(dice: random.Random) -> Any:
    zone = timezone(timedelta(hours=dice.randrange(-12, 12)))
    return dice.choice(
        [
            None, True, "text", "\ud800", Words("é"), b"\xff", bytearray(b"x"), memoryview(b"x"), Level.HIGH,
            Plan.NESTED, Plan.PATH, uuid.UUID(int=dice.randrange(2**128)), datetime.now(zone), datetime.max, date.min,
            timedelta.max, PurePosixPath("/a/\udcff"), object(), Hostile(), Hostile, len, iter([]), range(10**9),
            Lazy(dice.randrange(-1, 9)), collections.deque([1]), collections.ChainMap({}, {"a": 1}),
            types.MappingProxyType({"a": Hostile()}), types.SimpleNamespace(a=1), ["x" * 10_000] * 200,
        ]
    )  # fmt: skip


def of_proxies(dice: random.Random) -> Any:
    wrapt, lazy = pytest.importorskip("wrapt"), pytest.importorskip("lazy_object_proxy")
    value = dice.choice(MAKERS[:5])(dice)

    def fails() -> Any:
        raise OSError("gone")

    return dice.choice([wrapt.ObjectProxy(value), lazy.Proxy(lambda: value), lazy.Proxy(fails)])


def of_containers(dice: random.Random) -> Any:
    inner = [dice.choice(MAKERS)(dice) for _ in range(dice.randrange(4))]
    kind = dice.randrange(6)
    if kind == 0:
        inner.append(inner)
    if kind == 1:
        return {dice.choice(["a", 1, None, ("t",), Level.HIGH, Hostile]): value for value in inner}
    if kind == 2:
        return tuple(inner)
    if kind == 3:
        return collections.OrderedDict(enumerate(inner))
    return inner


MAKERS: list[Make] = [of_numpy, of_pandas, of_bson, of_numbers, of_the_rest, of_proxies, of_containers]


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # those of the libraries
def test_no_value_raises_or_takes_long_and_what_comes_of_it_is_json() -> None:
    dice = random.Random(20250403)
    slowest = 0.0
    for number in range(VALUES):
        value = MAKERS[number % len(MAKERS)](dice)
        began = time.perf_counter()
        cleaned = clean_scalars("properties", {"k": value}, lambda *_: None)
        slowest = max(slowest, time.perf_counter() - began)
        assert cleaned == orjson.loads(orjson.dumps(cleaned)), type(value)
    assert BOUND > slowest
