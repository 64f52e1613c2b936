"""Converts numbers of any class to an exact int or float."""

from __future__ import annotations

from .conversions import scalar_of
from .wrappers import unwrapped

_AS_IT_IS = frozenset({int, float, bool, str, dict, list, type(None)})


def plain_number(value: object) -> object:
    """An int, float or bool for a NumPy number, a Decimal and so on. Other values stay as they are."""
    if type(value) in _AS_IT_IS:
        return value
    from numbers import Number  # noqa: PLC0415  only rare values get here

    try:
        inner = unwrapped(value)
        return scalar_of(inner) if isinstance(inner, Number) else value
    except Exception:  # it is too large, or its own methods raise
        return value


def whole_number(value: object) -> object:
    """Like :func:`plain_number`, and an int for a whole float: pandas turns counts into floats if some are missing."""
    plain = plain_number(value)
    return int(plain) if type(plain) is float and plain.is_integer() else plain
