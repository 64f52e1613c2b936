"""One value of the standard library's types as a string, a number or a boolean, in a bounded time."""

from __future__ import annotations

import math
import uuid
from datetime import date, datetime, time, timedelta
from typing import Any

from ..values import INT64, Scalar, valid_text

MAX_BITS = 2048
"""Bits of an integer beyond 64 that is sent as text: what has more takes long to write, and Python may refuse to."""
MAX_DIGITS = 617
"""Digits of such an integer."""

MIN_INT, MAX_INT = INT64[0], INT64[-1]


class Unfit(Exception):
    """A value that does not fit as it is: what goes instead (None: nothing), and that in words."""

    def __init__(self, instead: Scalar | None, done: str) -> None:
        self.instead = instead
        self.done = done


def scalar_of(value: Any) -> Scalar | None:
    """The scalar that a value is at heart; None where it is absent.

    Proxies count as what they stand for, and subclasses as what they are of.

    :raises Unfit: there is none, or only one that loses something.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        text = exact_text(value)
        valid = valid_text(text)
        if valid != text:
            raise Unfit(valid, "changed: lone surrogates became U+FFFD")
        return valid
    if isinstance(value, bool):  # a proxy: there are no subclasses
        return bool(value)
    if isinstance(value, int):
        return _fitting(exact_int(value))
    if isinstance(value, float):
        return _finite(exact_float(value))
    if isinstance(value, (datetime, date, time)):
        return exact_text(value.isoformat()) if value == value else None  # noqa: PLR0124  NaT equals nothing
    if isinstance(value, timedelta):
        return _finite(exact_float(value.total_seconds()))
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        raise Unfit(bytes(value).decode("utf-8", "replace"), "changed: bytes became text")
    if isinstance(value, type(None)):  # a proxy
        return None
    return _rare_number(value)


def exact_text(value: Any) -> str:
    """A str of that very class, of one of a subclass or of a proxy."""
    return str.__str__(value) if issubclass(type(value), str) else str(value)


def exact_int(value: Any) -> int:
    """An int of that very class. Subclasses may compare slowly, or wrongly."""
    return int.__index__(value) if issubclass(type(value), int) else int(value)


def exact_float(value: Any) -> float:
    """A float of that very class."""
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


def _rare_number(value: Any) -> Scalar:
    from decimal import Decimal  # noqa: PLC0415  only values as rare as this one come here
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
    raise Unfit(None, f"left out: no scalar can be made of a {type(value).__name__}")


def _of_decimal(value: Any) -> Scalar:
    """An integer where it is whole, else a float. Its exponent may be of any size, so it is looked at first."""
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
