"""Mappings, lists and other containers: reads their items once, and makes JSON text of a bounded size."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard, cast

from ..values import Scalar, valid_text
from .conversions import Unfit, scalar_of
from .wrappers import unwrapped

MAX_VALUES = 10_000
"""Most values in one container, including those of nested containers."""
MAX_CHARACTERS = 1_000_000
"""Most characters of all texts in it."""
MAX_DEPTH = 50
"""Most containers within each other."""
ATTEMPTS = 5
"""Attempts to read the items of a mapping that another thread changes."""


def is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    """Whether it is a mapping. False if ``isinstance`` raises."""
    try:
        return isinstance(value, Mapping)
    except Exception:
        return False


def is_container(value: object) -> bool:
    """Whether it becomes JSON text."""
    return isinstance(value, (Mapping, list, tuple, set, frozenset)) or _is_array(value)


def _is_array(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def items_of(mapping: Mapping[object, object]) -> tuple[list[tuple[object, object]], bool]:
    """The items of a mapping, and whether these are all of them.

    A mapping that computes its items may raise or never end, and another thread may change a mapping during the read.
    """
    found: list[tuple[object, object]] = []
    for _ in range(ATTEMPTS):
        found = []
        try:
            items = mapping.copy() if type(mapping) is dict else mapping
            for key, value in items.items():
                if len(found) == MAX_VALUES:
                    return found, False
                found.append((key, value))
        except RuntimeError:  # changed by another thread
            continue
        except Exception:
            return found, False
        return found, True
    return found, False


def as_json(container: object) -> tuple[str, bool]:
    """A container as JSON text, and whether the text is complete.

    A value without a scalar becomes null in a list, and is left out of a mapping.

    :raises Unfit: it is too large, or contains itself.
    """
    import json  # noqa: PLC0415  few programs put containers into properties

    copy = _Copy()
    return json.dumps(copy.of(container), ensure_ascii=False, allow_nan=False), copy.is_whole


class _Copy:
    """Copies a container into types that JSON can hold."""

    def __init__(self) -> None:
        self.is_whole = True
        self._values = 0
        self._characters = 0
        self._depth = 0

    def of(self, value: object) -> object:
        self._values += 1
        if self._values > MAX_VALUES:
            raise Unfit(None, f"left out: a container of more than {MAX_VALUES:_} values")
        inner = self._opened(value)
        if not is_container(inner):
            return self._scalar(inner)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unfit(None, f"left out: more than {MAX_DEPTH} containers within each other")
        if isinstance(inner, Mapping):
            copied: object = self._mapping(inner)
        else:
            copied = [self.of(each) for each in _each(cast("Iterable[object]", inner))]
        self._depth -= 1
        return copied

    def _mapping(self, mapping: Mapping[object, object]) -> dict[str, object]:
        items, is_whole = items_of(mapping)
        if not is_whole:
            self.is_whole = False
        copied: dict[str, object] = {}
        for key, value in items:
            name = self._scalar(self._opened(key))
            if name is None:
                self.is_whole = False
                continue
            item = self.of(value)
            if item is not None or value is None:
                copied[str(name)] = item
        return copied

    def _opened(self, value: object) -> object:
        try:
            return unwrapped(value)
        except Exception:
            self.is_whole = False
            return None

    def _scalar(self, value: object) -> Scalar | None:
        try:
            scalar = scalar_of(value)
        except Unfit as unfit:
            self.is_whole = False
            scalar = unfit.instead
        except Exception:
            self.is_whole = False
            scalar = None
        if isinstance(scalar, str):
            self._characters += len(scalar)
            if self._characters > MAX_CHARACTERS:
                raise Unfit(None, f"left out: a container of more than {MAX_CHARACTERS:_} characters")
            return valid_text(scalar)
        return scalar


def _each(container: Iterable[object]) -> Iterator[object]:
    """The values of a list or similar, and at most one more than fit."""
    if isinstance(container, (list, set)) and type(container) in (list, set):
        container = container.copy()  # atomic
    return itertools.islice(container, MAX_VALUES + 1)
