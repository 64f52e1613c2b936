"""What the values of settings may be, and how texts of the environment are read.

Each rule is a validator of ``attrs``. A message names the argument of a setting and its variable.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Iterable
from typing import TypeGuard, TypeVar, cast
from urllib.parse import urlsplit

from attrs import Attribute

from .errors import InvalidSetting
from .secret import Secret

T = TypeVar("T")

LONGEST = 1_000_000_000
"""Most seconds for a setting. A longer time is a mistake, and overflows system calls."""

LABEL = 100
"""Most characters in the name of an environment or a release."""

LEAST_SPOOL = 1024 * 1024
"""Fewest bytes for a spool."""

REDACTABLE = ("card", "email", "iban", "key", "phone")
"""The kinds of personal data that ``redact`` knows, see ``redaction.py``."""


def variable(attribute: Attribute[T]) -> str:
    """The environment variable of a setting."""
    return attribute.metadata["variable"] or f"MLSDK_{attribute.name.upper()}"


def label(attribute: Attribute[T]) -> str:
    """A setting's name in error messages: the argument, and the environment variable if it has one."""
    argument = attribute.metadata["argument"] or attribute.name
    return argument if attribute.metadata["read"] is None else f"{argument} (environment: {variable(attribute)})"


def read_flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError(text)


def read_flag_or_text(text: str) -> bool | str:
    try:
        return read_flag(text)
    except ValueError:
        return text


def _wrong(attribute: Attribute[object], rule: str, value: object) -> InvalidSetting:
    shown = repr(value) if isinstance(value, (int, float)) else f"a {type(value).__name__}"
    return InvalidSetting(f"{label(attribute)} must be {rule}, got {shown}")


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def seconds(_: object, attribute: Attribute[object], value: object) -> None:
    if not _is_number(value) or not 0 <= value <= LONGEST:
        raise _wrong(attribute, f"a number of seconds from 0 to {LONGEST:_}", value)


def positive_seconds(_: object, attribute: Attribute[object], value: object) -> None:
    if not _is_number(value) or not 0 < value <= LONGEST:
        raise _wrong(attribute, f"a number of seconds above 0, up to {LONGEST:_}", value)


def at_least_one(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(attribute, "an int of at least 1", value)


def boolean(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, bool):
        raise _wrong(attribute, "True or False", value)


def function_or_none(_: object, attribute: Attribute[object], value: object) -> None:
    if value is not None and not callable(value):
        raise _wrong(attribute, "a function or None", value)


def plain_function(self: object, attribute: Attribute[object], value: object) -> None:
    function_or_none(self, attribute, value)
    if inspect.iscoroutinefunction(value):
        raise InvalidSetting(f"{attribute.name} must be a plain function, not a coroutine function")


def spool_bytes(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < LEAST_SPOOL:
        raise _wrong(attribute, f"an int of at least {LEAST_SPOOL:_}", value)


def directory_or_none(_: object, attribute: Attribute[object], value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise _wrong(attribute, 'the path of a directory or "auto"', value)


def share(_: object, attribute: Attribute[object], value: object) -> None:
    if not _is_number(value) or not 0 <= value <= 1:
        raise _wrong(attribute, "a number from 0 to 1", value)


def label_or_none(_: object, attribute: Attribute[object], value: object) -> None:
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= LABEL or not value.isprintable()):
        raise _wrong(attribute, f"a str of 1 to {LABEL} printable characters", value)


def as_redact(value: object) -> object:
    """Patterns and kinds, each once and in one order. True is all kinds, and so is ``"all"``."""
    if value is None or isinstance(value, bool):
        return REDACTABLE if value else ()
    if isinstance(value, str):
        value = [each.strip() for each in value.split(",") if each.strip()]
    elif isinstance(value, re.Pattern):
        value = [value]
    try:
        chosen = list(dict.fromkeys(cast("Iterable[object]", value)))
    except TypeError:
        return value
    patterns = [each for each in chosen if not isinstance(each, str)]
    return (*patterns, *(REDACTABLE if "all" in chosen else sorted(each for each in chosen if isinstance(each, str))))


def redactable(_: object, attribute: Attribute[object], value: object) -> None:
    rule = f"compiled patterns, or some of {', '.join(REDACTABLE)}, or all"
    if not isinstance(value, tuple):
        raise _wrong(attribute, rule, value)
    for each in value:
        if isinstance(each, re.Pattern) and isinstance(each.pattern, str):
            if each.search(""):
                raise InvalidSetting(f"{label(attribute)} must hold patterns that match no empty text")
        elif each not in REDACTABLE:
            raise InvalidSetting(f"{label(attribute)} must be {rule}")


def ca_bundle(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, bool) and not (isinstance(value, str) and os.path.exists(value)):
        raise InvalidSetting(f"{label(attribute)} must be True, False or a CA bundle's path")


def session_or_none(_: object, attribute: Attribute[object], value: object) -> None:
    if value is None:
        return
    is_blocking, is_async = hasattr(value, "mount"), hasattr(value, "__aenter__")
    if not (hasattr(value, "request") and hasattr(value, "close") and is_blocking is not is_async):
        rule = "a requests.Session or an aiohttp.ClientSession"
        raise InvalidSetting(f"{attribute.name} must be {rule}, got a {type(value).__module__}.{type(value).__name__}")


def one_of(*allowed: str) -> Callable[[object, Attribute[object], object], None]:
    def check(_: object, attribute: Attribute[object], value: object) -> None:
        if value not in allowed:
            raise InvalidSetting(f"{label(attribute)} must be one of {', '.join(allowed)}")

    return check


def _is_one_word(text: str) -> bool:
    """Whether it is free of spaces and control characters."""
    return text.isprintable() and " " not in text


def stripped(value: object) -> object:
    """Strip whitespace, which mounted secrets and variables often have at the end."""
    return value.strip() if isinstance(value, str) else value


def stripped_or_none(value: object) -> object:
    """Strip whitespace. An empty text becomes None."""
    return stripped(value) or None


def as_secret(value: object) -> object:
    """A text as a :class:`~mindlytics.secret.Secret`, stripped of whitespace. Other values stay as they are."""
    return Secret(value.strip()) if isinstance(value, str) else value


def one_word(_: object, attribute: Attribute[object], value: object) -> None:
    value = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(value, str) or not value.isascii() or not _is_one_word(value):
        rule = "a str of printable ASCII characters without spaces"
        raise InvalidSetting(f"{label(attribute)} must be {rule}")


def address(*schemes: str) -> Callable[[object, Attribute[object], object], None]:
    def check(_: object, attribute: Attribute[object], value: object) -> None:
        if not isinstance(value, str) or not _is_address(value, schemes):
            example = f"{schemes[0]}://host[:port][/path]"
            raise InvalidSetting(f"{label(attribute)} must be of the form {example}")

    return check


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    is_bare = not parts.query and not parts.fragment and parts.username is None
    return parts.scheme in schemes and has_host and is_bare and _is_one_word(text)
