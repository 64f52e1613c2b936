"""Converts one value of a standard type to a string, a number or a boolean, in a bounded time."""

from __future__ import annotations

import math
import uuid
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from ..values import INT64, Scalar, valid_text

if TYPE_CHECKING:
    from decimal import Decimal

MAX_BITS = 2048
"""Most bits of an integer that is sent as text. Writing a larger one is slow, and Python may refuse it."""
MAX_DIGITS = 617
"""Most digits of such an integer."""

MIN_INT, MAX_INT = INT64[0], INT64[-1]


class Unfit(Exception):
    """A value cannot stay as it is. Holds the value to send instead (None: leave it out), and a description."""

    def __init__(self, instead: Scalar | None, done: str) -> None:
        self.instead = instead
        self.done = done


def scalar_of(value: object) -> Scalar | None:
    """The scalar for a value, or None if the value counts as absent.

    A proxy counts as its object, and an instance of a subclass as one of its base.

    :raises Unfit: there is no scalar, or only one that loses something.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        text = exact_text(value)
        valid = valid_text(text)
        if valid != text:
            raise Unfit(valid, "changed: lone surrogates became U+FFFD")
        return valid
    if isinstance(value, bool):  # a proxy, since bool has no subclasses
        return bool(value)
    if isinstance(value, int):
        return _fitting(exact_int(value))
    if isinstance(value, float):
        return _finite(exact_float(value))
    if isinstance(value, (datetime, date, time)):
        return exact_text(value.isoformat()) if value == value else None  # noqa: PLR0124  NaT differs from itself
    if isinstance(value, timedelta):
        return _finite(exact_float(value.total_seconds()))
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        raise Unfit(bytes(value).decode("utf-8", "replace"), "changed: bytes became text")
    if isinstance(value, type(None)):  # a proxy
        return None
    return _rare_number(value)


def exact_text(value: object) -> str:
    """An exact ``str`` from one of a subclass or a proxy."""
    return str.__str__(value) if issubclass(type(value), str) else str(value)


def exact_int(value: int) -> int:
    """An exact ``int``. Subclasses may compare slowly or wrongly."""
    return int.__index__(value) if issubclass(type(value), int) else int(value)


def exact_float(value: float) -> float:
    """An exact ``float``."""
    return float.__float__(value) if issubclass(type(value), float) else float(value)


def _fitting(number: int) -> int:
    if MIN_INT <= number <= MAX_INT:
        return number
    if number.bit_length() > MAX_BITS:
        raise Unfit(None, f"left out: an integer of more than {MAX_BITS} bits")
    raise Unfit(str(number), "changed: an integer beyond 64 bits became a string")


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise Unfit(None, "left out: not a finite number")
    return number


def _rare_number(value: object) -> Scalar:
    from decimal import Decimal  # noqa: PLC0415  only rare values get here
    from numbers import Integral, Rational, Real  # noqa: PLC0415

    if isinstance(value, Decimal):
        return _of_decimal(value)
    if isinstance(value, Integral):
        return _fitting(int(value))
    if isinstance(value, Rational):
        above, below = int(value.numerator), int(value.denominator)
        try:
            return _fitting(above) if below == 1 else above / below
        except OverflowError:
            raise Unfit(None, "left out: too large for a float") from None
    if isinstance(value, Real):
        return _finite(float(value))
    raise Unfit(None, f"left out: a {type(value).__name__} cannot become a scalar")


def _of_decimal(value: Decimal) -> Scalar:
    """An integer if it is whole, else a float. The exponent is checked first, since it may be huge."""
    if not value.is_finite():
        raise Unfit(None, "left out: not a finite number")
    if value.is_zero():
        return 0
    is_short = value.adjusted() < len(str(MAX_INT))
    if is_short and value == value.to_integral_value():
        return _fitting(int(value))
    number = float(value)
    if is_short and number:
        return number
    text = str(value)
    if len(text) > MAX_DIGITS:
        raise Unfit(None, f"left out: a Decimal of more than {MAX_DIGITS} characters")
    raise Unfit(text, "changed: a Decimal beyond 64 bits, or too small for a float, became a string")
