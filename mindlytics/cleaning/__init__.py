"""Property maps: turns anything that a program puts into them into names with strings, numbers and booleans.

Cleaning never raises for a value, and takes a bounded time. ``conversions.py`` converts single values,
``containers.py`` containers, and ``wrappers.py`` unwraps values that hold another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import InvalidEvent
from ..values import INT64, Scalar
from .containers import as_json, is_container, is_mapping, items_of
from .conversions import Unfit, scalar_of
from .wrappers import unwrapped

Report = Callable[[str, object, str], None]
"""Called for a value that changes: with its full name, the value, and what was done with it."""

SHOWN = 100
"""Characters of a property's name that a report shows."""

MIN_INT, MAX_INT = INT64[0], INT64[-1]


def clean_scalars(field: str, mapping: object, report: Report) -> dict[str, Scalar]:
    """Turn a property, trait or attribute map into one of plain scalars.

    ``None`` values count as absent. Every other change that loses something goes to ``report``.

    :param field: the argument's name, for errors and reports.
    :param mapping: a mapping, or None for an empty one.
    :raises InvalidEvent: ``mapping`` is not one.
    """
    if mapping is None:
        return {}
    if type(mapping) is dict:
        copied = mapping.copy()  # atomic, so other threads may change it
        return copied if _is_plain(copied) else _clean_items(field, copied.items(), report)
    if not is_mapping(mapping):
        raise InvalidEvent(field, "a mapping of names to strings, numbers and booleans", mapping)
    items, is_whole = items_of(mapping)
    cleaned = _clean_items(field, items, report)
    if not is_whole:
        report(field, mapping, "shortened: not all of its items could be read")
    return cleaned


def _clean_items(field: str, items: Iterable[tuple[object, Any]], report: Report) -> dict[str, Scalar]:
    cleaned: dict[str, Scalar] = {}
    for key, value in items:
        if type(key) is str and key.isascii():
            if value is None:
                continue
            kind = type(value)
            if (kind is str and value.isascii()) or kind is bool or (kind is int and MIN_INT <= value <= MAX_INT):
                cleaned[key] = value
                continue
            name = key
        else:
            name = _clean_name(field, key, report)
            if not name:
                continue
        scalar = _clean_value(field, name, value, report)
        if scalar is not None:
            cleaned[name] = scalar
    return cleaned


def _is_plain(mapping: Mapping[object, Any]) -> bool:
    """Whether a map needs no change. Most need none."""
    for key, value in mapping.items():
        if type(key) is not str or not key.isascii():
            return False
        kind = type(value)
        if kind is str:
            if not value.isascii():
                return False
        elif kind is int:
            if not MIN_INT <= value <= MAX_INT:
                return False
        elif kind is float:
            if value - value != 0.0:  # infinite or NaN
                return False
        elif kind is not bool:
            return False
    return True


def _clean_name(field: str, key: object, report: Report) -> str:
    kind = type(key).__name__
    done = ""
    try:
        scalar = scalar_of(unwrapped(key))
    except Unfit as unfit:
        scalar = unfit.instead
        done = "renamed: its name held lone surrogates"
    except Exception:  # a key's own methods may raise anything
        scalar = None
    if scalar is None:
        report(f"{field}.<{kind}>", key, "left out: a name must be a string")
        return ""
    if not isinstance(scalar, str):
        done = f"renamed: its name was of type {kind}"
    name = str(scalar)
    if done:
        report(_shown(field, name), key, done)
    return name


def _clean_value(field: str, name: str, value: object, report: Report) -> Scalar | None:
    scalar: Scalar | None
    try:
        inner = unwrapped(value)
        if not is_container(inner):
            return scalar_of(inner)
        scalar, done = as_json(inner)[0], "changed: a nested container became JSON text"
    except Unfit as unfit:
        scalar, done = unfit.instead, unfit.done
    except Exception:  # a value's own methods may raise anything
        scalar, done = None, f"left out: its {type(value).__name__} could not be converted"
    report(_shown(field, name), value, done)
    return scalar


def _shown(field: str, name: str) -> str:
    return f"{field}.{name if len(name) <= SHOWN else name[:SHOWN] + '…'}"
