"""The rules for the fields of events, as validators of attrs and as names in schemas.

Each begins with a quick test for plain values, and checks others thoroughly. Numbers and datetimes of other classes
become plain ones, since encoders accept only those.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import TypeVar

from attrs import Attribute

from .cleaning.numbers import plain_number, whole_number
from .errors import InvalidEvent
from .values import INT64, UTC, Scalar, Timestamp, check_timestamp, plain_datetime, valid_text

N = TypeVar("N", bound=float)

MAX_NAME = 100
"""Ids, event names and model names are 1 to 100 characters (Mindlytics API description)."""

_NAME = f"a str of 1 to {MAX_NAME} characters"
_SCALARS = (str, int, float)  # bool is a subclass of int
MAX_INT = INT64[-1]


def check_name(field_name: str, value: object) -> str:
    """Check an id or name.

    :raises InvalidEvent: it is not a text of 1 to 100 characters.
    """
    if isinstance(value, str) and 0 < len(value) <= MAX_NAME:
        if value.isascii() or value == valid_text(value):
            return value
        raise InvalidEvent(field_name, "valid Unicode, without lone surrogates", value)
    raise InvalidEvent(field_name, _NAME, value)


def name(_: object, attribute: Attribute[str], value: object) -> None:
    if type(value) is not str or not 0 < len(value) <= MAX_NAME or not value.isascii():
        check_name(attribute.name, value)


def optional_name(_: object, attribute: Attribute[str | None], value: object) -> None:
    if value is not None and (type(value) is not str or not 0 < len(value) <= MAX_NAME or not value.isascii()):
        check_name(attribute.name, value)


def check_text(field_name: str, value: object) -> str:
    """Check a text.

    :raises InvalidEvent: it is another type.
    """
    if not isinstance(value, str):
        raise InvalidEvent(field_name, "a str", value)
    return value


def text(_: object, attribute: Attribute[str], value: object) -> None:
    check_text(attribute.name, value)


def optional_text(_: object, attribute: Attribute[str | None], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidEvent(attribute.name, "a str or None", value)


def timestamp(event: object, attribute: Attribute[Timestamp], value: object) -> None:
    if type(value) is not datetime or value.tzinfo is not UTC:
        check_timestamp(attribute.name, value)
        if isinstance(value, datetime) and type(value) is not datetime:
            _set(event, attribute.name, plain_datetime(value))


def scalars(_: object, attribute: Attribute[Mapping[str, Scalar]], value: object) -> None:
    if value == {} or (value is None and attribute.default is None):
        return
    if not isinstance(value, Mapping):
        raise InvalidEvent(attribute.name, "a mapping of names to strings, numbers and booleans", value)
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidEvent(f"a name in {attribute.name}", "a str", key)
        if not isinstance(item, _SCALARS):
            raise InvalidEvent(f"{attribute.name}.{key}", "a string, a number or a boolean", item)


def count(usage: object, attribute: Attribute[int], value: object) -> None:
    if type(value) is not int or not 0 <= value <= MAX_INT:
        plain = whole_number(value)
        if type(plain) is not int or not 0 <= plain <= MAX_INT:
            raise InvalidEvent(attribute.name, "an int of at least 0, of 64 bits at most", value)
        _set(usage, attribute.name, plain)


def check_finite(field_name: str, value: object) -> int | float:
    """Check a number and return it as a plain one.

    :raises InvalidEvent: it is infinite, NaN, larger than 64 bits, or another type.
    """
    if type(value) is float and isfinite(value):
        return value
    plain = plain_number(value)
    if (type(plain) is int and plain in INT64) or (type(plain) is float and isfinite(plain)):
        return plain
    raise InvalidEvent(field_name, "a finite number (of at most 64 bits if it is an int)", value)


def check_milliseconds(field_name: str, value: object) -> int | float:
    """Check a duration in milliseconds and return it as a plain number.

    :raises InvalidEvent: it is below 0, or another type.
    """
    plain = check_finite(field_name, value)
    if plain < 0:
        raise InvalidEvent(field_name, "a number of milliseconds of at least 0", value)
    return plain


def finite(holder: object, attribute: Attribute[float], value: object) -> None:
    _set(holder, attribute.name, check_finite(attribute.name, value))


def milliseconds(event: object, attribute: Attribute[N], value: object) -> None:
    _set(event, attribute.name, check_milliseconds(attribute.name, value))


_set = object.__setattr__
