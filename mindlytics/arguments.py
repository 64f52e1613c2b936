"""What programs in production pass as arguments, and what it means: ids that are numbers, arguments that are no text.

Each function returns what the event is to hold. What it cannot read it returns as it is, for the event to refuse. A
change that loses something goes to ``report``.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from inspect import Parameter, signature
from typing import Any, TypeVar, cast

from .cleaning import Report
from .cleaning.containers import as_json
from .cleaning.conversions import MAX_BITS, Unfit, exact_text, scalar_of
from .cleaning.numbers import whole_number
from .cleaning.wrappers import unwrapped
from .errors import MISSING
from .values import UTC, Timestamp, moment, valid_text

EXACT = 2**53
"""The whole numbers up to here are exact as floats."""

F = TypeVar("F", bound=Callable[..., object])


def reports_missing(call: F) -> F:
    """Let a call report a required keyword that is left out as it reports any other misuse, by ``InvalidEvent``.

    Type checkers, ``help`` and documentation see the keyword without a default. Python sees ``MISSING`` as its default.
    """
    seen: Any = call
    seen.__signature__ = signature(call)
    required = [
        name
        for name, parameter in seen.__signature__.parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty
    ]
    seen.__kwdefaults__ = {**(seen.__kwdefaults__ or {}), **dict.fromkeys(required, MISSING)}
    return call


def as_name(given: Any) -> Any:
    """A name, as of an event: of an enum or a proxy, the text inside."""
    if given is None or type(given) is str:
        return given
    try:
        inner = unwrapped(given)
        return exact_text(inner) if isinstance(inner, str) else given
    except Exception:  # its own methods may do anything at all
        return given


def as_id(name: str, given: Any, report: Report) -> Any:
    """An id as text: the digits of a whole number, the text of a UUID and the like, None for a missing value."""
    if given is None or type(given) is str:
        return given
    try:
        inner = unwrapped(given)
        if inner is None or isinstance(inner, (str, uuid.UUID)):
            return scalar_of(inner)
        number = whole_number(inner)
        if type(number) is float and math.isnan(number):
            return None
        if type(number) is not int or number.bit_length() > MAX_BITS:
            return given
        digits = str(number)
    except Exception:  # its own methods may do anything at all
        return given
    if isinstance(inner, float) and abs(number) > EXACT:
        report(name, given, "taken as it is: a float of this size may differ from the id in its last digits")
    return digits


def as_moment(given: Any, report: Report) -> Timestamp:
    """A timestamp, the present if none is given. Moments of NumPy and pandas without a time zone are in UTC."""
    if given is None or type(given) is str or type(given) is datetime:
        return moment(given)
    try:
        inner = unwrapped(given)
        library = type(given).__module__.partition(".")[0]
        if library in ("numpy", "pandas") and not isinstance(inner, datetime) and isinstance(inner, date):
            inner = datetime(inner.year, inner.month, inner.day)
        is_naive = isinstance(inner, datetime) and inner.tzinfo is None
        if library in ("numpy", "pandas") and is_naive:
            inner = inner.replace(tzinfo=UTC)
    except Exception:  # its own methods may do anything at all
        return cast(Timestamp, given)
    if inner is None:
        report("timestamp", given, "replaced by the present: it is NaT")
    elif is_naive and inner.tzinfo is not None:
        report("timestamp", given, "taken as UTC: it has no time zone")
    return moment(inner)


def as_text(name: str, given: Any, report: Report) -> Any:
    """Arguments and results of functions as text. What is no text becomes JSON."""
    if given is None or type(given) is str:
        return given if given is None else valid_text(given)
    done = "changed: what JSON cannot hold became null, or was left out"
    try:
        inner = unwrapped(_dumped(given))
        if isinstance(inner, str):
            return valid_text(exact_text(inner))
        text, is_whole = as_json(inner)
    except Unfit as unfit:
        text, is_whole, done = None, False, unfit.done
    except Exception:  # its own methods may do anything at all
        text, is_whole, done = None, False, f"left out: its {type(given).__name__} could not be converted"
    if not is_whole:
        report(name, given, done)
    return text


def _dumped(given: Any) -> Any:
    """What a model of pydantic holds."""
    return given.model_dump() if hasattr(type(given), "model_dump") else given


def as_milliseconds(given: Any) -> Any:
    """A duration, 0 if none is given."""
    if type(given) is float or type(given) is int:
        return given
    try:
        inner = unwrapped(given)
    except Exception:  # its own methods may do anything at all
        return given
    if inner is None:
        return 0
    return inner / timedelta(milliseconds=1) if isinstance(inner, timedelta) else inner
