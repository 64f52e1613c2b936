"""Reads the objects and mappings of libraries, whose types are unknown here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def get(holder: object, *names: str) -> object:
    """An entry of a mapping or an attribute of an object, or None. Further names lead into what was found."""
    for name in names:
        if holder is None:
            return None
        if isinstance(holder, dict):
            holder = holder.get(name)
            continue
        held = getattr(holder, name, _MISSING)
        if held is _MISSING:  # the check for any mapping is slow, so it comes last
            held = holder.get(name) if isinstance(holder, Mapping) else None
        holder = held
    return holder


_MISSING = object()


def items_of(value: object) -> Sequence[object]:
    """The items of a list or tuple, else none. An iterator belongs to the program and is left alone."""
    return value if isinstance(value, (list, tuple)) else ()


def str_of(value: object) -> str:
    """A text, or an empty one for anything else."""
    return value if isinstance(value, str) else ""


def first_of(value: object) -> object:
    """The first item of a list or tuple, or None."""
    items = items_of(value)
    return items[0] if items else None
