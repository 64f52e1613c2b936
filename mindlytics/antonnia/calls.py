"""What all calls of the API are made of: the request as a value, the checks of arguments, and the face that sends it.

Which calls there are is in ``sessions.py``, ``messages.py`` and ``agents.py``, written once for both faces: a method
checks its arguments and makes a :class:`Call`; what sending one hands back, the answer or something to await, is the
face's, hence the type parameters. Nothing there knows of HTTP libraries, retries or errors of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from attrs import evolve, frozen

from ..cleaning.numbers import plain_number
from ..values import UTC, parse_timestamp, plain_datetime
from .codec import Misfit, read, tell
from .exceptions import ValidationError
from .types import MessageContent, ScheduleConfig

R = TypeVar("R")

# What a face hands back: the answer, or something to await.
One = TypeVar("One")
Perhaps = TypeVar("Perhaps")
"""One thing or none."""
Many = TypeVar("Many")
"""A list."""
Each = TypeVar("Each")
"""All that is found, one by one."""

MAX_KEY = 255
"""Characters of an ``Idempotency-Key``."""

PAGE = 100
"""What a search finds at most where it names no ``limit``."""


@frozen
class Call(Generic[R]):
    """A request of the API; ``R`` is what a face hands back for it: the answer, or something to await.

    :param answer: the type of the answer; None where there is none.
    :param json: the body; None for a request without one.
    :param repeatable: sent twice, it does no more than once.
    :param key: an ``Idempotency-Key``, which makes it repeatable.
    """

    method: str
    path: str
    answer: Any
    json: Mapping[str, Any] | None = None
    repeatable: bool = False
    key: str | None = None

    def at(self, offset: int) -> Call[R]:
        """The same search, from there on."""
        return evolve(self, json={**(self.json or {}), "offset": offset})


class Face(Protocol):
    """What a face does with calls."""

    def send(self, call: Call[Any]) -> Any:
        """Send it; its answer, or something to await."""

    def walk(self, call: Call[Any]) -> Any:
        """All that a search finds, one by one."""


class Resource:
    """A part of the API, reached through a face."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def _send(self, call: Call[R]) -> R:
        handed_back: R = self._face.send(call)
        return handed_back

    def _walk(self, call: Call[R]) -> R:
        handed_back: R = self._face.walk(call)
        return handed_back


def path(template: str, **ids: object) -> str:
    """The path, with the ids in their places.

    :raises ValidationError: an id is no text, or cannot be one.
    """
    return template.format(**{name: quote(_id(name, value), safe="") for name, value in ids.items()})


def _id(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or value in (".", "..") or not _is_unicode(value):
        raise ValidationError(f"{name} must be an id, got {'an empty text' if value == '' else type(value).__name__}")
    return value


def _is_unicode(value: str) -> bool:
    """Whether it can be sent: a lone surrogate cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def key(value: object) -> str | None:
    """The ``idempotency_key``, if it is None or a header can hold it."""
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_KEY or not value.isascii() or not value.isprintable():
        raise ValidationError(f"idempotency_key must be a str of 1 to {MAX_KEY} printable ASCII characters")
    return value


def given(**arguments: Any) -> dict[str, Any]:
    """Those arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def text(name: str, value: object) -> str:
    """The value, if it is a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValidationError(f"{name} must be a str that is not empty, got {type(value).__name__}")
    return value


def one_of(name: str, value: object, *allowed: str) -> str:
    """The value, if it is one of these."""
    if value not in allowed:
        raise ValidationError(f"{name} must be one of {', '.join(allowed)}")
    return str(value)


def whole(name: str, value: object, least: int, most: int | None = None) -> int | None:
    """The value, if it is None or a whole number of that range."""
    if value is None:
        return None
    value = plain_number(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValidationError(f"{name} must be an int {bounds}")
    return value


def mapping(name: str, value: object) -> Mapping[str, Any] | None:
    """The value, if it is None or a mapping."""
    if value is not None and not isinstance(value, Mapping):
        raise ValidationError(f"{name} must be a mapping, got {type(value).__name__}")
    return value


def moment(name: str, value: object) -> str:
    """A moment as it is sent: ISO 8601 in UTC."""
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
        raise ValidationError(f"{name} must be a moment within the years 1 to 9999 in UTC") from None


def shaped(name: str, kind: type[MessageContent] | type[ScheduleConfig], value: object) -> dict[str, Any]:
    """The JSON of a value, given as an instance or as a mapping of the same shape. A mapping goes as it is."""
    try:
        told = tell(value)
        read(kind, told, name)
    except (TypeError, RecursionError):
        raise ValidationError(f"{name} must hold only what JSON can hold") from None
    except Misfit as error:
        raise ValidationError(str(error)) from None
    return dict(told)
