"""What the values of an event may be: texts, timestamps, and the scalars of property maps.

Two kinds of rule live here. *Checks* refuse a wrong argument (:class:`~mindlytics.errors.InvalidEvent`).
*Cleaning* turns what Python programs really put into properties (datetimes, Decimals, NumPy scalars …) into
the strings, numbers and booleans that the services take. What belongs to one kind of event lives in ``events.py``.
"""

from __future__ import annotations

import enum
import math
import os
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Union

from .errors import InvalidEvent

Scalar = Union[str, int, float, bool]
Timestamp = Union[str, datetime]
Report = Callable[[str, object, str], None]
"""Told of a value that does not go as it is: its full name, the value, and what was done with it, in words."""

UTC = timezone.utc
INT64 = range(-(2**63), 2**64)
"""The integers that JSON encoders of every service take: from -2**63 to 2**64 - 1."""

ISO_8601 = r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?"
"""How a timestamp may be written; year, month, day, hour, minute, second, fraction and offset in groups."""

_ISO = re.compile(ISO_8601)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{3}|\.\d{6})?Z", re.ASCII).fullmatch
"""How nearly all are written; what ``datetime.fromisoformat`` reads on every version, and fastest."""


def now() -> datetime:
    """The present as an aware datetime in UTC."""
    return datetime.now(UTC)


def parse_timestamp(text: str) -> datetime:
    """Read an ISO 8601 date and time; without an offset it is taken as UTC.

    :raises ValueError: the text is not one, or names a moment that does not exist.
    """
    if _PLAIN(text):
        return datetime.fromisoformat(text[:-1] + "+00:00")
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError("not an ISO 8601 date and time")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if offset is None or offset in "Zz":
        zone = UTC
    else:
        span = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:].lstrip(":") or 0))
        zone = timezone(-span if offset[0] == "-" else span)
    microsecond = int(fraction.ljust(6, "0")[:6]) if fraction else 0
    return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), microsecond, zone)


def check_timestamp(field: str, value: object) -> None:
    """Only an ISO 8601 text or an aware datetime will do.

    :raises InvalidEvent: it is something else, or a naive datetime: whose noon it names is unknown.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None or value.utcoffset() is None:
            raise InvalidEvent(field, "an aware datetime (one with a time zone)", value)
    elif isinstance(value, str):
        read_timestamp(field, value)
    else:
        raise InvalidEvent(field, "an ISO 8601 text or an aware datetime", value)


def plain_datetime(given: datetime) -> datetime:
    """The same moment, of an aware datetime of whatever class (pandas', pendulum's), as one of that very class."""
    offset = given.utcoffset()
    zone = timezone(offset) if offset else UTC
    date_and_time = given.year, given.month, given.day, given.hour, given.minute, given.second, given.microsecond
    return datetime(*date_and_time, tzinfo=zone)


def plain_number(given: Any) -> Any:
    """An int or a float of that very class for one of another (NumPy's above all); all else as it is."""
    kind = type(given)
    if kind is int or kind is float or kind is bool:
        return given
    if isinstance(given, float):
        return float(given)
    if isinstance(given, int):
        return int(given)
    return given.item() if _is_numpy_scalar(given) else given


def _is_numpy_scalar(given: Any) -> bool:
    return type(given).__module__.partition(".")[0] == "numpy" and getattr(given, "ndim", None) == 0


def read_timestamp(field: str, text: str) -> datetime:
    """The moment that a text names.

    :raises InvalidEvent: it names none.
    """
    try:
        return parse_timestamp(text)
    except ValueError:
        raise InvalidEvent(field, "an ISO 8601 date and time such as 2025-04-03T07:35:10Z", text) from None


def moment(given: Timestamp | None) -> Timestamp:
    """The caller's timestamp as it was given, but with a ``Z`` where a text names no offset; without one, now."""
    if given is None:
        return datetime.now(UTC)
    if isinstance(given, str):
        match = _ISO.fullmatch(given)
        if match is not None and match[8] is None:
            return given.rstrip() + "Z"
    return given


def valid_text(text: str) -> str:
    """The text with every lone surrogate, which no UTF-8 can hold, replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_scalars(field: str, given: object, report: Report) -> dict[str, Scalar]:
    """Turn a property, trait or attribute map into one of plain scalars.

    ``None`` values are absent and left out in silence. Every other change that loses something goes to ``report``.

    :param field: the argument's name, for errors and reports.
    :param given: a mapping, or None for an empty one.
    :raises InvalidEvent: ``given`` is no mapping.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidEvent(field, "a mapping of names to strings, numbers and booleans", given)
    cleaned: dict[str, Scalar] = {}
    for key, value in given.items():
        if type(key) is str and key.isascii():
            kind = type(value)
            if (kind is str and value.isascii()) or kind is bool or (kind is int and value in INT64):
                cleaned[key] = value
                continue
            name = key
        else:
            name = _clean_key(field, key, report)
            if not name:
                continue
        try:
            scalar = _clean_value(value)
        except _Unfit as unfit:
            report(f"{field}.{name}", value, unfit.done)
            scalar = unfit.instead
        except Exception:  # a value's own __str__, item or value may do anything at all
            report(f"{field}.{name}", value, f"left out: its {type(value).__name__} could not be converted")
            continue
        if scalar is not None:
            cleaned[name] = scalar
    return cleaned


class _Unfit(Exception):
    """A value that does not fit as it is: what goes instead (None: nothing), and that in words."""

    def __init__(self, instead: Scalar | None, done: str) -> None:
        self.instead = instead
        self.done = done


def _clean_key(field: str, key: object, report: Report) -> str:
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, str):
        name = valid_text(str.__str__(key))
        if name != key:
            report(f"{field}.{name}", key, "renamed: its name held lone surrogates")
        return name
    if isinstance(key, (int, float, uuid.UUID)):
        report(f"{field}.{key}", key, f"renamed: its name was of type {type(key).__name__}")
        return str(key)
    report(f"{field}.<{type(key).__name__}>", key, "left out: a name must be a string")
    return ""


def _clean_value(value: Any) -> Scalar | None:  # noqa: PLR0912  one row a type, as in the reference page
    if value is None or value is True or value is False:
        return value
    if isinstance(value, enum.Enum):
        return _clean_value(value.value)
    if isinstance(value, str):
        text = valid_text(str.__str__(value))
        if text != value:
            raise _Unfit(text, "changed: lone surrogates became U+FFFD")
        return text
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Unfit(None, "left out: not a finite number")
        return float(value)
    if isinstance(value, int):
        if value not in INT64:
            raise _Unfit(str(int(value)), "changed: an integer beyond 64 bits became a string")
        return int(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    from decimal import Decimal  # noqa: PLC0415  only values as rare as this one come here

    if isinstance(value, Decimal):
        if not value.is_finite():
            raise _Unfit(None, "left out: not a finite number")
        return _clean_value(int(value)) if value == value.to_integral_value() else float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, os.PathLike):
        return _clean_value(os.fspath(value))
    if isinstance(value, (bytes, bytearray)):
        raise _Unfit(bytes(value).decode("utf-8", "replace"), "changed: bytes became text")
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        raise _Unfit(_as_json(value), "changed: a nested container became JSON text")
    if _is_numpy_scalar(value):
        return _clean_value(value.item())
    raise _Unfit(None, f"left out: no scalar can be made of a {type(value).__name__}")


def _as_json(value: Any) -> str:
    import json  # noqa: PLC0415  few programs put containers into properties

    if isinstance(value, Mapping):
        value = dict(value)
    elif isinstance(value, (set, frozenset)):
        value = list(value)
    return valid_text(json.dumps(value, default=str, ensure_ascii=False))
