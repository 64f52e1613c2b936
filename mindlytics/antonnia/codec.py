"""JSON into the types of this API, and back. Errors name a value by its path and never quote it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, TypeVar, get_origin

import orjson
from attrs import NOTHING, fields, has
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn

from ..annotations import JsonMapping
from ..cleaning.numbers import plain_number
from ..values import parse_timestamp
from . import types
from .types import Agent, MessageContent, Model, ScheduleConfig

T = TypeVar("T")

CONTENTS: Mapping[str, type[MessageContent]] = {
    "text": types.MessageContentText,
    "image": types.MessageContentImage,
    "video": types.MessageContentVideo,
    "audio": types.MessageContentAudio,
    "file": types.MessageContentFile,
    "function_call": types.MessageContentFunctionCall,
    "function_result": types.MessageContentFunctionResult,
    "thought": types.MessageContentThought,
}
AGENTS: Mapping[str, type[Agent]] = {"ai": types.AIAgent, "human": types.HumanAgent}
CONFIGS: Mapping[str, type[ScheduleConfig]] = {
    "message": types.ScheduledMessageConfig,
    "node": types.ScheduledNodeConfig,
}

KINDS: dict[type[Model], Mapping[str, type[Model]]] = {
    MessageContent: CONTENTS,
    Agent: AGENTS,
    ScheduleConfig: CONFIGS,
}
"""For each base class, the class of each ``type``."""


class Misfit(ValueError):
    """JSON of the wrong shape. The message names the fields and the rules."""


class _Wrong(ValueError):
    """A value breaks a rule. The message goes after the field's name."""


def parse(text: bytes | str) -> object:
    """Parse JSON text. ``NaN`` and infinities, which some services write, become None.

    :raises ValueError: it is not JSON. The message quotes nothing.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:  # this parser accepts lone surrogates too
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None


def from_json(kind: type[T], document: object, name: str = "") -> T:
    """Make a type of this API, or a list of one, from JSON.

    :param name: the name of the JSON in error messages.
    :raises Misfit: a field is missing or of another type.
    """
    if get_origin(kind) is list and not isinstance(document, list):
        raise Misfit(f"{name or 'the JSON'} must be a list, got {type(document).__name__}")
    try:
        return _converter.structure(document, kind)
    except Exception as error:  # cattrs raises exception groups, and the errors of the hooks
        problems = transform_error(error, format_exception=_words)
    messages = []
    for problem in problems:
        words, _, path = problem.rpartition(" @ $")
        messages.append(f"{(name + path).lstrip('.') or 'the JSON'} {words}")
    raise Misfit("; ".join(messages))


def to_json(value: object) -> object:
    """The JSON of a value that :func:`from_json` made, or of anything else that JSON can hold.

    :raises TypeError: it holds a NaN or an infinity, which JSON cannot hold.
    """
    if isinstance(value, Model):
        own = {a.name: to_json(getattr(value, a.name)) for a in fields(type(value)) if a.name != "extra"}
        return {**own, **value.extra}
    value = plain_number(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"JSON cannot hold {value}")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def _words(error: BaseException, _: type[object] | None) -> str:
    if isinstance(error, KeyError):
        return "is missing"
    return str(error) if isinstance(error, _Wrong) else "has the wrong form"


def _model(kind: type[Model]) -> Callable[[object, object], object]:
    """Make a hook that reads a class: its own fields by type (null counts as absent if there is a default), others as
    ``extra``.
    """
    own = {attribute.name: attribute.default for attribute in fields(kind) if attribute.name != "extra"}
    structure = make_dict_structure_fn(kind, _converter)
    kinds = KINDS.get(kind, {})

    def model_from_json(document: object, _: object) -> object:
        if isinstance(document, kind):
            return document
        if not isinstance(document, Mapping):
            raise _Wrong(f"must be an object, got {type(document).__name__}")
        name = document.get("type")
        if isinstance(name, str) and name in kinds:
            return _converter.structure(document, kinds[name])
        known = {name: document[name] for name in own if name in document}
        known = {name: value for name, value in known.items() if value is not None or own[name] is NOTHING}
        extra = {name: value for name, value in document.items() if name not in own}
        return structure({**known, "extra": extra}, kind)

    return model_from_json


def _exactly(kind: type[T], words: str) -> Callable[[object, object], T]:
    def check(value: object, _: object) -> T:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _Wrong(f"must be {words}, got {type(value).__name__}")
        return value

    return check


def _datetime_from(value: object, _: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return parse_timestamp(value if isinstance(value, str) else "")
    except ValueError:
        raise _Wrong("must be an ISO 8601 date and time") from None


_converter = Converter()
_converter.register_structure_hook(str, _exactly(str, "a str"))
_converter.register_structure_hook(int, _exactly(int, "an int"))
_converter.register_structure_hook(datetime, _datetime_from)
_converter.register_structure_hook_func(
    lambda kind: getattr(kind, "__origin__", None) is Literal, _exactly(str, "a str")
)
_converter.register_structure_hook_func(lambda kind: kind == JsonMapping, _exactly(dict, "an object"))
_converter.register_structure_hook_factory(lambda kind: has(kind) and issubclass(kind, Model), _model)
