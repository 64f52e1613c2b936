"""Unwraps enums, paths, proxies, and scalars of libraries, without importing the libraries."""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .conversions import Unfit

MAX_WRAPPERS = 8
"""Most wrappers around each other, for example an enum whose value is a path."""


def unwrapped(value: object) -> object:
    """The standard value inside, or None for a missing value such as NaT.

    :raises Unfit: there are too many wrappers.
    """
    for _ in range(MAX_WRAPPERS):
        inner = _inner(value)
        if inner is value:
            return value
        value = inner
    raise Unfit(None, "left out: it holds values within values")


def _inner(value: Any) -> object:
    kind = type(value)
    if value is None or kind in _BARE:
        return value
    library = kind.__module__.partition(".")[0]
    unwrap = _LIBRARIES.get(library, {}).get(kind.__name__)
    if unwrap is not None:
        return unwrap(value)
    if library == "numpy" and getattr(value, "ndim", None) == 0:
        item = value.item()
        return value if type(item) is kind else item
    if value.__class__ is not kind and hasattr(value, "__wrapped__"):  # a proxy, such as wrapt's
        return value.__wrapped__
    if isinstance(value, enum.Enum):
        return value.value
    return os.fspath(value) if isinstance(value, os.PathLike) else value


_BARE = frozenset({str, int, float, bool, bytes, dict, list, tuple})
"""The most frequent types, which need no unwrapping."""


def _missing(_: object) -> None:
    """None, for a library's own missing value."""


def _from_datetime64(value: Any) -> object:
    """A datetime or a date, text if neither can hold it, or None for NaT."""
    numpy = sys.modules["numpy"]
    if numpy.isnat(value):
        return None
    item = value.item()
    if isinstance(item, int) and numpy.datetime_data(value.dtype)[0] in _PER_SECOND:
        whole = value.astype("datetime64[us]")
        item = whole.item() if whole == value else item
    return str(value) if isinstance(item, int) else item


_PER_SECOND = {"ns": 10**9, "ps": 10**12, "fs": 10**15, "as": 10**18}
"""NumPy's units that are finer than a datetime's."""


def _from_timedelta64(value: Any) -> object:
    """A timedelta, seconds if that cannot hold it, or None for NaT."""
    numpy = sys.modules["numpy"]
    if numpy.isnat(value):
        return None
    item = value.item()
    if isinstance(item, int):
        unit, count = numpy.datetime_data(value.dtype)
        if unit not in _PER_SECOND:
            raise Unfit(None, "left out: its unit has no fixed length in seconds")
        return item * count / _PER_SECOND[unit]
    return item


def _as_datetime(value: Any) -> object:
    return value.as_datetime()


def _to_decimal(value: Any) -> object:
    return value.to_decimal()


_LIBRARIES: Mapping[str, Mapping[str, Callable[[Any], object]]] = {
    "bson": {
        "DatetimeMS": _as_datetime,
        "Decimal128": _to_decimal,
        "ObjectId": str,
        "Timestamp": _as_datetime,
    },
    "ipaddress": {
        "IPv4Address": str,
        "IPv4Interface": str,
        "IPv4Network": str,
        "IPv6Address": str,
        "IPv6Interface": str,
        "IPv6Network": str,
    },
    "numpy": {"datetime64": _from_datetime64, "timedelta64": _from_timedelta64},
    "pandas": {"Interval": str, "NAType": _missing, "NaTType": _missing, "Period": str},
}
"""Functions that convert to a standard value, by library and type."""
