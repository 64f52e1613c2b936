"""Reads queries and bodies by their types, and says in the words of all errors what is wrong.

A parameter of a query whose type is ``Any`` is JSON, and all others are plain texts and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import orjson

from .query import InvalidQuery

T = TypeVar("T")

_MEANINGS = {" | null": "", "of length": "with a length", ">=": "of at least", "<=": "of at most"}
_INTEGER = re.compile("-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?", re.IGNORECASE)
"""A number as JSON writes it."""


class Invalid(ValueError):
    """A query or a body breaks a rule.

    :param field: where.
    :param rule: what is wrong, in words that follow the name of the field.
    """

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field} {rule}")


def read_query(kind: type[T], parameters: Mapping[str, str]) -> T:
    """The parameters of a request. An empty one is the same as none, unless it may be any text.

    :param kind: a struct. If it forbids unknown fields, a parameter without a field breaks a rule.
    :raises InvalidQuery: a parameter is missing or breaks a rule.
    """
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}  # type: ignore[arg-type]
    unknown = next((name for name in parameters if name not in fields), None)
    if unknown is not None and kind.__struct_config__.forbid_unknown_fields:  # type: ignore[attr-defined]
        raise InvalidQuery(unknown, f"is no parameter: there are {', '.join(fields)}")
    values: dict[str, object] = {}
    for name, field in fields.items():
        text = parameters.get(name)
        if text or (text is not None and _is_of(str, field)):
            if _is_of(int, field) and not _INTEGER.fullmatch(text):
                raise InvalidQuery(name, "must be a whole number")
            if _is_of(float, field) and not _NUMBER.fullmatch(text):
                raise InvalidQuery(name, "must be a number")
            values[name] = _json(name, text) if is_json(field) else text
    try:
        return read(kind, values, strict=False)
    except Invalid as error:
        raise InvalidQuery(error.field, error.rule) from None


def is_json(kind: Any) -> bool:
    """Whether a parameter of this type is JSON."""
    return _is_of(Any, kind)


def _is_of(plain: Any, kind: Any) -> bool:
    """Whether a type is this one, with rules or without, or a union that has it."""
    if get_origin(kind) is Annotated:
        return _is_of(plain, get_args(kind)[0])
    return kind is plain or (get_origin(kind) in (Union, UnionType) and any(_is_of(plain, it) for it in get_args(kind)))


def _json(name: str, text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidQuery(name, f"is not JSON ({error})") from None


def read(kind: type[T], value: object, *, strict: bool = True) -> T:
    """A value of this type from JSON that is parsed already.

    :raises Invalid: it breaks a rule.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _invalid(kind, str(error)) from None


def _invalid(kind: Any, message: str) -> Invalid:
    """The broken rule in the words of all errors."""
    words, _, path = message.replace("`", "").partition(" - at $")
    path = path.strip(".")
    if found := re.search("(missing required|unknown) field (.*)", words):
        return Invalid(f"{path}.{found[2]}".strip("."), "is missing" if found[1] != "unknown" else "is no field here")
    if words.startswith("Invalid"):  # the message holds the value
        return Invalid(path or "body", f"must be one of {', '.join(_choices(kind, path.split('.')))}")
    words = re.sub("^Expected ([aeio])?", lambda vowel: f"must be an {vowel[1]}" if vowel[1] else "must be a ", words)
    for sign, meaning in _MEANINGS.items():
        words = words.replace(sign, meaning)
    return Invalid(path or "body", words)


def _choices(kind: Any, path: Sequence[str]) -> Iterator[str]:
    """The values that a field may have, by its path within a type."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if path[0] == kind.__struct_config__.tag_field:
            yield str(kind.__struct_config__.tag)
        else:
            yield from _choices(get_type_hints(kind, include_extras=True)[path[0]], path[1:])
    else:
        for part in get_args(kind):
            yield from _choices(part, path)
