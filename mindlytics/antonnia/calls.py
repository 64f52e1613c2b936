"""What all calls of the API share: the request as a value, checks of arguments, and the face that sends it.

``sessions.py``, ``messages.py`` and ``agents.py`` define the calls, once for both faces. A method checks its arguments
and makes a :class:`Call`. The face sends it and returns the answer or an awaitable, hence the type parameters. HTTP
libraries, retries and the service's errors belong elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, cast
from urllib.parse import quote

from attrs import evolve, frozen

from ..cleaning.numbers import plain_number
from ..values import UTC, parse_timestamp, plain_datetime
from .codec import Misfit, from_json, to_json
from .exceptions import ValidationError
from .types import MessageContent, ScheduleConfig

R = TypeVar("R")

# What a face returns: the answer, or an awaitable of it.
One = TypeVar("One")
Perhaps = TypeVar("Perhaps")
"""One thing or None."""
Many = TypeVar("Many")
"""A list."""
Each = TypeVar("Each")
"""An iterator over all that a search finds."""

MAX_KEY = 255
"""Characters of an ``Idempotency-Key``."""

PAGE = 100
"""How many a search finds at most without ``limit``."""


@frozen
class Call(Generic[R]):
    """A request of the API. ``R`` is what a face returns for it: the answer, or an awaitable of it.

    :param answer: the type of the answer, or None.
    :param json: the body, or None.
    :param repeatable: sending it twice has the same effect as once.
    :param key: an ``Idempotency-Key``, which makes it repeatable.
    """

    method: str
    path: str
    answer: type[object] | None
    json: Mapping[str, object] | None = None
    repeatable: bool = False
    key: str | None = None

    def at(self, offset: int) -> Call[R]:
        """The same search from another offset."""
        return evolve(self, json={**(self.json or {}), "offset": offset})


class Face(Protocol):
    """What a face does with calls."""

    def _send(self, call: Call[Any]) -> Any:
        """Send a call. Returns its answer, or an awaitable of it."""

    def _walk(self, call: Call[Any]) -> Any:
        """Iterate over all that a search finds."""


class Resource:
    """A part of the API, reached through a face."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def _send(self, call: Call[R]) -> R:
        result: R = self._face._send(call)
        return result

    def _walk(self, call: Call[R]) -> R:
        result: R = self._face._walk(call)
        return result


def path(template: str, **ids: object) -> str:
    """Put ids into a path.

    :raises ValidationError: an id is not a text, or is one that a path cannot hold.
    """
    return template.format(**{name: quote(_id(name, value), safe="") for name, value in ids.items()})


def _id(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or value in (".", "..") or not _is_unicode(value):
        raise ValidationError(f"{name} must be an id, got {'an empty str' if value == '' else type(value).__name__}")
    return value


def _is_unicode(value: str) -> bool:
    """Whether it can be sent, which lone surrogates cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def key(value: object) -> str | None:
    """Check that an ``idempotency_key`` is None or fits a header."""
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_KEY or not value.isascii() or not value.isprintable():
        raise ValidationError(f"idempotency_key must be a str of 1 to {MAX_KEY} printable ASCII characters")
    return value


def text(name: str, value: object) -> str:
    """Check that a value is a text with at least one character."""
    if not isinstance(value, str) or not value:
        raise ValidationError(f"{name} must be a non-empty str, got {type(value).__name__}")
    return value


def one_of(name: str, value: object, *allowed: str) -> str:
    """Check that a value is one of these."""
    if value not in allowed:
        raise ValidationError(f"{name} must be one of {', '.join(allowed)}")
    return str(value)


def whole(name: str, value: object, least: int, most: int | None = None) -> int | None:
    """Check that a value is None or a whole number of that range."""
    if value is None:
        return None
    value = plain_number(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValidationError(f"{name} must be an int {bounds}")
    return value


def mapping(name: str, value: object) -> Mapping[str, object] | None:
    """Check that a value is None or a mapping."""
    if value is not None and not isinstance(value, Mapping):
        raise ValidationError(f"{name} must be a mapping, got {type(value).__name__}")
    return value


def timestamp_param(name: str, value: object) -> str:
    """Check a datetime or ISO 8601 text and return it in UTC as ISO 8601."""
    if isinstance(value, str):
        try:
            value = parse_timestamp(value)
        except ValueError:
            raise ValidationError(f"{name} must be an ISO 8601 date and time") from None
    if not isinstance(value, datetime) or value.tzinfo is None or value.utcoffset() is None:
        raise ValidationError(f"{name} must be an aware datetime or an ISO 8601 text, got {type(value).__name__}")
    try:
        return plain_datetime(value).astimezone(UTC).isoformat()
    except OverflowError:
        raise ValidationError(f"{name} must be a time within the years 1 to 9999 in UTC") from None


def shaped(name: str, kind: type[MessageContent] | type[ScheduleConfig], value: object) -> dict[str, object]:
    """The JSON of a value: an instance, or a mapping of the same shape. A mapping stays as it is."""
    try:
        as_json = to_json(value)
        from_json(kind, as_json, name)
    except (TypeError, RecursionError):
        raise ValidationError(f"{name} must hold only what JSON can hold") from None
    except Misfit as error:
        raise ValidationError(str(error)) from None
    return dict(cast("Mapping[str, object]", as_json))
