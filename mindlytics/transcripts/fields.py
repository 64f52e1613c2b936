"""Readers of JSON whose form nobody has checked yet: a value of the wanted type, or an error that names its field.

What is missing or ``null`` counts as empty for the readers that say so. A shape uses these instead of trusting a file.
"""

from __future__ import annotations

import re
from typing import TypeVar, Union

from ..errors import InvalidEvent

T = TypeVar("T")
JsonObject = dict[str, object]
"""A JSON object. Its values may be anything until they are read."""
Number = Union[int, float]
_WORD = re.compile(r"(?:[^\W\d]|-){1,20}")
"""A short single word, of letters."""


def needs(where: str, value: object, kind: type[T], words: str) -> T:
    """The value, if it is of that type.

    :raises InvalidEvent: it is not.
    """
    if not isinstance(value, kind):
        raise InvalidEvent(where, words, value)
    return value


def unknown_role(where: str, value: object, words: str) -> InvalidEvent:
    """The error about a role that no format knows. It shows a short single word, which says more than its length."""
    error = InvalidEvent(where, words, value)
    if isinstance(value, str) and _WORD.fullmatch(value):
        error.args = (f"{where} must be {words}, got {value!r}",)
    return error


def an_object(where: str, value: object) -> JsonObject:
    """The value, if it is a JSON object.

    :raises InvalidEvent: it is not.
    """
    return needs(where, value, dict, "an object")


def a_list(where: str, value: object) -> list[object]:
    """The value, if it is a list.

    :raises InvalidEvent: it is not.
    """
    return needs(where, value, list, "a list")


def object_or_empty(value: object) -> JsonObject:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_or_empty(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def objects_in(value: object) -> list[JsonObject]:
    """The JSON objects in a list. None, if it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text_or_none(value: object) -> str | None:
    """The value if it is a text that is not empty."""
    return value if isinstance(value, str) and value else None


def number_or_none(value: object) -> Number | None:
    """The value if it is a number of at least 0, and of 64 bits at most."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def an_id(*values: object) -> str | None:
    """The first of these that is an id: a text or a whole number."""
    for value in values:
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def keys_of(value: JsonObject) -> str:
    """The keys of a JSON object, for words about it."""
    return ", ".join(sorted(str(key)[:30] for key in value)[:8]) or "none"
