"""Times in the forms of files: ISO 8601, RFC 2822, those of C and JavaScript, or a number since 1970 in any unit."""

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
_RFC_2822 = re.compile(
    r"(?:[A-Z][a-z]{2},? )?\d{1,2} [A-Z][a-z]{2} \d{4} \d{1,2}:\d\d(?::\d\d)?"
    r"(?: (?:[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T))?(?: \(.*\))?",
    re.ASCII,
).fullmatch
_OF_C = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", re.ASCII).fullmatch
_OF_JAVASCRIPT = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d{4}) (\d\d:\d\d:\d\d) GMT([+-]\d{4})(?: \(.*\))?", re.ASCII
).fullmatch
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
        found = _of_words(text)
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=zone)
    return found if zone is UTC or _OFFSET(text[10:]) else found.replace(tzinfo=zone)


def _of_words(text: str) -> datetime:
    """A time with a month's name. ``email`` reads more than it understands, so only these forms get there."""
    if parts := _OF_JAVASCRIPT(text):
        month, day, year, clock, offset = parts.groups()
        text = f"{day} {month} {year} {clock} {offset}"
    elif not _RFC_2822(text) and not _OF_C(text):
        raise ValueError("no time")
    return parsedate_to_datetime(text)
