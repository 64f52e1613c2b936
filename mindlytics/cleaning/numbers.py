"""Numbers of whatever class as an int or a float of that very class."""

from __future__ import annotations

from typing import Any

from .conversions import scalar_of
from .wrappers import unwrapped

_AS_IT_IS = frozenset({int, float, bool, str, dict, list, type(None)})


def plain_number(given: Any) -> Any:
    """An int, a float or a bool for a number of NumPy, a Decimal and the like. All else as it is."""
    if type(given) in _AS_IT_IS:
        return given
    from numbers import Number  # noqa: PLC0415  only values as rare as this one come here

    try:
        inner = unwrapped(given)
        return scalar_of(inner) if isinstance(inner, Number) else given
    except Exception:  # none that fits, or it fails by itself
        return given


def whole_number(given: Any) -> Any:
    """The same, and an int for a float that is whole: so a DataFrame has the counts of a column with gaps."""
    plain = plain_number(given)
    return int(plain) if type(plain) is float and plain.is_integer() else plain
