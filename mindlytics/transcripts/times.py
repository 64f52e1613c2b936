"""Times in the forms of files: ISO 8601, RFC 2822, or a number of seconds, ms, µs or ns since 1970."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from math import isnan

from ..errors import InvalidEvent
from ..values import EPOCH, UTC, parse_timestamp

RULE = "an ISO 8601 date and time or seconds since 1970"
UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))
"""Pairs of a limit and a unit in microseconds, for numbers below the limit. Larger numbers are nanoseconds."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII).fullmatch
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch
_OFFSET = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$").search


def read_time(name: str, value: object, zone: tzinfo = UTC) -> datetime | None:
    """The time in a value. None for None or an empty text.

    :param zone: the time zone of texts without an offset.
    :raises InvalidEvent: it is not a time.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            return _of_text(value.strip(), zone)
        if isinstance(value, datetime):
            return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(UTC)
        if isinstance(value, float) and isnan(value):  # how tables say that there is none
            return None
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return _of_number(Decimal(str(value)))
    except (ValueError, OverflowError, ArithmeticError, TypeError):
        pass
    raise InvalidEvent(name, RULE, value)


def _of_number(number: Decimal) -> datetime:
    for limit, factor in UNITS:
        if abs(number) < limit:
            return EPOCH + timedelta(microseconds=int(number * factor))
    return EPOCH + timedelta(microseconds=int(number / 1000))


def _of_text(text: str, zone: tzinfo) -> datetime:
    if text[4:5] != "-" and _NUMBER(text):
        return _of_number(Decimal(text))
    if text.endswith((" UTC", " GMT")) and text[:4].isdigit():
        text = text[:-4] + "Z"
    if len(text) == 10 and _DAY(text):
        text += "T00:00:00"
    try:
        found = parse_timestamp(text)
    except ValueError:
        return parsedate_to_datetime(text).astimezone(UTC)
    return found if zone is UTC or _OFFSET(text[10:]) else found.replace(tzinfo=zone)
