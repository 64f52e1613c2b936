"""Converts arguments as production code passes them: numbers as ids, objects as texts, and so on.

Each function returns the value for the event. It returns a value that it cannot read unchanged, and the event refuses
that. A change that loses something goes to ``report``.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from inspect import Parameter, signature
from types import FunctionType
from typing import TypeVar, cast

from .cleaning import Report
from .cleaning.containers import as_json
from .cleaning.conversions import MAX_BITS, Unfit, exact_text, scalar_of
from .cleaning.numbers import whole_number
from .cleaning.wrappers import unwrapped
from .errors import MISSING
from .validators import check_name
from .values import UTC, Timestamp, normalise_timestamp, valid_text

EXACT = 2**53
"""Whole numbers up to here are exact as floats."""

F = TypeVar("F", bound=Callable[..., object])


def reports_missing(call: F) -> F:
    """Let a call report a required keyword that is left out as it reports any other misuse, by ``InvalidEvent``.

    Type checkers, ``help`` and documentation see the keyword without a default. Python sees ``MISSING`` as its default.
    """
    function = cast("FunctionType", call)
    seen = signature(call)
    function.__dict__["__signature__"] = seen
    required = [
        name
        for name, parameter in seen.parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty
    ]
    function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **dict.fromkeys(required, MISSING)}
    return call


def as_name(value: object) -> object:
    """A name, such as an event's. An enum or a proxy becomes the text inside."""
    if value is None or type(value) is str:
        return value
    try:
        inner = unwrapped(value)
        return exact_text(inner) if isinstance(inner, str) else value
    except Exception:  # its own methods may raise anything
        return value


def as_id(name: str, value: object, report: Report) -> object:
    """An id as text: the digits of a whole number, the text of a UUID or similar, None for a missing value."""
    if value is None or type(value) is str:
        return value
    try:
        inner = unwrapped(value)
        if inner is None or isinstance(inner, (str, uuid.UUID)):
            return scalar_of(inner)
        number = whole_number(inner)
        if type(number) is float and math.isnan(number):
            return None
        if type(number) is not int or number.bit_length() > MAX_BITS:
            return value
        digits = str(number)
    except Exception:  # its own methods may raise anything
        return value
    if isinstance(inner, float) and abs(number) > EXACT:
        report(name, value, "taken as it is: a float of this size may differ from the id in its last digits")
    return digits


def checked_id(name: str, value: object, report: Report) -> str | None:
    """An id as text, or None for a missing one.

    :raises InvalidEvent: it is not a text of 1 to 100 characters.
    """
    text = as_id(name, value, report)
    return None if text is None else check_name(name, text)


def as_timestamp(value: object, report: Report) -> Timestamp:
    """A timestamp. None becomes the current time. Times of NumPy and pandas without a time zone are in UTC."""
    if value is None or type(value) is str or type(value) is datetime:
        return normalise_timestamp(value)
    try:
        inner = unwrapped(value)
        is_of_library = type(value).__module__.partition(".")[0] in ("numpy", "pandas")
        if is_of_library and not isinstance(inner, datetime) and isinstance(inner, date):
            inner = datetime(inner.year, inner.month, inner.day)
        lacks_zone = is_of_library and isinstance(inner, datetime) and inner.tzinfo is None
        if lacks_zone and isinstance(inner, datetime):
            inner = inner.replace(tzinfo=UTC)
    except Exception:  # its own methods may raise anything
        return cast(Timestamp, value)
    if inner is None:
        report("timestamp", value, "replaced by the current time: it is NaT")
    elif lacks_zone:
        report("timestamp", value, "taken as UTC: it has no time zone")
    return normalise_timestamp(cast("Timestamp | None", inner))


def as_text(name: str, value: object, report: Report) -> str | None:
    """Arguments and results of functions as text. Other values become JSON."""
    if value is None or type(value) is str:
        return value if value is None else valid_text(value)
    done = "changed: what JSON cannot hold became null, or was left out"
    try:
        inner = unwrapped(_dumped(value))
        if isinstance(inner, str):
            return valid_text(exact_text(inner))
        text, is_whole = as_json(inner)
    except Unfit as unfit:
        text, is_whole, done = None, False, unfit.done
    except Exception:  # its own methods may raise anything
        text, is_whole, done = None, False, f"left out: its {type(value).__name__} could not be converted"
    if not is_whole:
        report(name, value, done)
    return text


def _dumped(value: object) -> object:
    """The dict of a pydantic model. Other values stay as they are."""
    dump = getattr(type(value), "model_dump", None)
    return value if dump is None else dump(value)


def as_milliseconds(value: object) -> object:
    """A duration in milliseconds. None becomes 0."""
    if type(value) is float or type(value) is int:
        return value
    try:
        inner = unwrapped(value)
    except Exception:  # its own methods may raise anything
        return value
    if inner is None:
        return 0
    return inner / timedelta(milliseconds=1) if isinstance(inner, timedelta) else inner
