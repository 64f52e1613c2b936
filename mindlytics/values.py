"""What the values of an event may be: texts, numbers and timestamps.

*Checks* refuse a wrong value (:class:`~mindlytics.errors.InvalidEvent`). What becomes of the values of property maps
is in ``cleaning/``. What belongs to one kind of event is in ``events.py``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Union

from .errors import InvalidEvent

Scalar = Union[str, int, float, bool]
Timestamp = Union[str, datetime]

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
