"""JSON into the types of this API, and back. A value that does not fit is told by its path, never quoted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar, get_origin

import orjson
from attrs import NOTHING, fields, has
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn

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

_KINDS: Mapping[type[Any], Mapping[str, type[Any]]] = {MessageContent: CONTENTS, Agent: AGENTS, ScheduleConfig: CONFIGS}


class Misfit(ValueError):
    """JSON that is not what it should be; the message names the fields and the rules."""


class _Wrong(ValueError):
    """A value breaks a rule, given in words that follow the field's name."""


def parse(text: bytes | str) -> Any:
    """What JSON text says, also where it holds what only some write: ``NaN`` and its like are None.

    :raises ValueError: it is no JSON; the message quotes nothing.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:  # takes lone surrogates, too
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None


def read(kind: type[T], given: object, name: str = "") -> T:
    """Make a type of this API, or a list of one, from JSON.

    :param name: what the JSON is called in messages.
    :raises Misfit: a field is missing or of another type.
    """
    if get_origin(kind) is list and not isinstance(given, list):
        raise Misfit(f"{name or 'the JSON'} must be a list, got {type(given).__name__}")
    try:
        return _converter.structure(given, kind)
    except Exception as error:  # cattrs raises groups, and what the hooks raise
        problems = transform_error(error, format_exception=_words)
    told = []
    for problem in problems:
        words, _, path = problem.rpartition(" @ $")
        told.append(f"{(name + path).lstrip('.') or 'the JSON'} {words}")
    raise Misfit("; ".join(told))


def tell(value: Any) -> Any:
    """The JSON of a value: what :func:`read` made, and whatever else JSON can hold.

    :raises TypeError: there is a number in it that is none, which JSON cannot hold.
    """
    if isinstance(value, Model):
        own = {a.name: tell(getattr(value, a.name)) for a in fields(type(value)) if a.name != "extra"}
        return {**own, **value.extra}
    value = plain_number(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"JSON cannot hold {value}")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: tell(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tell(item) for item in value]
    return value


def _words(error: BaseException, _: type[Any] | None) -> str:
    if isinstance(error, KeyError):
        return "is missing"
    return str(error) if isinstance(error, _Wrong) else "is of another form"


def _model(kind: type[Any]) -> Callable[[Any, Any], Any]:
    """How a class is read: its own fields by their types (null as absent where there is a default), others as extra."""
    own = {attribute.name: attribute.default for attribute in fields(kind) if attribute.name != "extra"}
    structure = make_dict_structure_fn(kind, _converter)
    kinds = _KINDS.get(kind, {})

    def read_model(given: Any, _: Any) -> Any:
        if not isinstance(given, Mapping):
            raise _Wrong(f"must be an object, got {type(given).__name__}")
        told = given.get("type")
        if isinstance(told, str) and told in kinds:
            return _converter.structure(given, kinds[told])
        known = {name: given[name] for name in own if name in given}
        known = {name: value for name, value in known.items() if value is not None or own[name] is NOTHING}
        extra = {name: value for name, value in given.items() if name not in own}
        return structure({**known, "extra": extra}, kind)

    return read_model


def _exactly(kind: type[T], words: str) -> Callable[[Any, Any], T]:
    def check(given: Any, _: Any) -> T:
        if not isinstance(given, kind) or isinstance(given, bool):
            raise _Wrong(f"must be {words}, got {type(given).__name__}")
        return given

    return check


def _moment(given: Any, _: Any) -> datetime:
    try:
        return given if isinstance(given, datetime) else parse_timestamp(given)
    except (TypeError, ValueError):
        raise _Wrong("must be an ISO 8601 date and time") from None


_converter = Converter()
_converter.register_structure_hook(str, _exactly(str, "a str"))
_converter.register_structure_hook(int, _exactly(int, "an int"))
_converter.register_structure_hook(datetime, _moment)
_converter.register_structure_hook_func(
    lambda kind: getattr(kind, "__origin__", None) is Literal, _exactly(str, "a str")
)
_converter.register_structure_hook_func(lambda kind: kind == Mapping[str, Any], _exactly(dict, "an object"))
_converter.register_structure_hook_factory(lambda kind: has(kind) and issubclass(kind, Model), _model)
