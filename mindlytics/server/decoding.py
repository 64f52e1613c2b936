"""Decodes the events in a request's body: quickly if all are plain, else event by event.

The quick way makes its types from the validators in ``events.py``. It gives up without a message on anything unusual.
``wire.py`` then decodes the body, and says what is wrong, if anything is. A test checks that both give the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union

import msgspec
from attrs import fields_dict

from .. import validators
from ..errors import InvalidEvent, MindlyticsError
from ..events import (
    EVENT_TYPES,
    ConversationFunction,
    ConversationTurn,
    ConversationUsage,
    EndConversation,
    Event,
    StartConversation,
    TrackedEvent,
)
from ..usage import Cost, TokenBasedCost
from ..wire import decode
from .parameters import Name, Timestamp, Traits
from .schema import microseconds, now
from .tracked import CUSTOM, FUNCTION, TURN, USAGE, Tracked, tracked

Taken = Union[Tracked, Event]
"""An accepted event."""

_INT = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_MAP = dict[str, Union[str, _INT, float, bool, None]]
RAW_MAP = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=msgspec.json.schema(Traits))]
"""A map that is read only when it is needed."""

TYPES: Mapping[Any, Any] = {
    validators.name: Name,
    validators.optional_name: Name,
    validators.text: str,
    validators.optional_text: str,
    validators.timestamp: Timestamp,
    validators.scalars: RAW_MAP,
    validators.count: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)],
    validators.finite: Union[_INT, float],
    validators.milliseconds: Union[
        Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)], Annotated[float, msgspec.Meta(ge=0)]
    ],
}
"""The type for each validator: the quick way reads it, and ``openapi/`` describes it."""


def _struct(name: str, fields: Mapping[str, Any], **options: Any) -> Any:
    """A type whose fields are all optional and may be null."""
    optional = [(field, kind if kind is RAW_MAP else Union[kind, None], None) for field, kind in fields.items()]
    return msgspec.defstruct(name, optional, gc=False, **options)


def _types(kind: type[Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: TYPES[fields_dict(kind)[name].validator] for name in names}


_OUTSIDE: dict[str, Any] = {}
for _kind in EVENT_TYPES:
    _OUTSIDE |= _types(_kind, [name for name in fields_dict(_kind) if name not in (*_kind.own_properties, "usage")])
_Wire = _struct("_Wire", {"type": str, **_OUTSIDE, "event": Name})
_read_events: Any = msgspec.json.Decoder(list[_Wire]).decode  # type: ignore[valid-type]
_read_map = msgspec.json.Decoder(Union[_MAP, None]).decode
_write = msgspec.json.Encoder().encode
_USAGE = {name: kind for usage in (TokenBasedCost, Cost) for name, kind in _types(usage, fields_dict(usage)).items()}


def _properties(kind: type[TrackedEvent]) -> Any:
    """Reads the properties of an event without properties of the caller's own."""
    fields = {**_types(kind, kind.own_properties), **(_USAGE if "usage" in fields_dict(kind) else {})}
    struct = _struct("_Properties", fields, forbid_unknown_fields=True, omit_defaults=True)
    return msgspec.json.Decoder(struct).decode


_KINDS = {
    kind.event: (number, _properties(kind))
    for kind, number in ((ConversationTurn, TURN), (ConversationFunction, FUNCTION), (ConversationUsage, USAGE))
}
_OTHERS = (StartConversation.event, EndConversation.event)


class RefusedEvent(MindlyticsError):
    """An event of a batch breaks a rule.

    :param index: its place in the batch.
    :param cause: the rule.
    """

    def __init__(self, index: int, cause: InvalidEvent) -> None:
        self.index = index
        self.cause = cause
        super().__init__(str(cause))


class _NotPlain(Exception):
    """The event is unusual, so the quick way gives up."""


def quick(body: bytes) -> list[Taken] | None:
    """The events of a body that is an array of plain events."""
    try:
        return [_taken(event) for event in _read_events(body)]
    except (msgspec.MsgspecError, _NotPlain, InvalidEvent, UnicodeError):
        return None


def one_by_one(parsed: object) -> list[Taken]:
    """The events in parsed JSON, an array or one event.

    :raises RefusedEvent: one of them is invalid.
    """
    events: list[Taken] = []
    for index, item in enumerate(parsed if isinstance(parsed, list) else [parsed]):
        try:
            events.append(taken(decode(item)))
        except InvalidEvent as error:
            raise RefusedEvent(index, error) from None
    return events


def taken(event: Event) -> Taken:
    """An event in the store's form.

    :raises InvalidEvent: its time is out of range.
    """
    others = (StartConversation, EndConversation)
    return tracked(event) if isinstance(event, TrackedEvent) and not isinstance(event, others) else event


def _taken(wire: Any) -> Taken:
    name, raw, session_id, conversation_id = wire.event, wire.properties, wire.session_id, wire.conversation_id
    if session_id is None:
        raise _NotPlain
    if wire.type != "track" or name is None or name in _OTHERS:
        return taken(_decoded(wire))
    kind, read = _KINDS.get(name, (CUSTOM, None))
    messages, prompt_tokens, completion_tokens = 0, 0, 0
    cost: float | None = None
    if read is None:
        properties = {} if raw is None else _read_map(raw) or {}
        if None in properties.values():
            properties = {key: value for key, value in properties.items() if value is not None}
        text = _write(properties)
    elif raw is None or conversation_id is None:
        raise _NotPlain
    else:
        properties = None
        try:
            found = read(raw)
        except msgspec.ValidationError:
            found, properties = _with_others(read, raw)
        messages, prompt_tokens, completion_tokens, cost = _counted(kind, found)
        text = _write(found if properties is None else {**properties, **_present(found)})
    values = (
        kind,
        session_id,
        wire.user_id,
        wire.device_id,
        conversation_id,
        _stored_time(wire.timestamp),
        name,
        text.decode(),
        messages,
        prompt_tokens,
        completion_tokens,
        cost,
    )
    return tuple.__new__(Tracked, values)  # three times as fast as calling the class


def _with_others(read: Any, raw: msgspec.Raw) -> tuple[Any, dict[str, Any]]:
    """The properties that an event of this kind has, and all of them, the caller's own included.

    :raises msgspec.ValidationError: one of them is not plain.
    """
    struct = read.__self__.type
    properties = {name: value for name, value in (_read_map(raw) or {}).items() if value is not None}
    own = {name: properties[name] for name in struct.__struct_fields__ if name in properties}
    return msgspec.convert(own, struct), properties


def _present(found: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(found).items() if value is not None}


def _decoded(wire: Any) -> Event:
    """Decode an unusual event.

    :raises InvalidEvent: it is invalid.
    """
    fields = {field: value for field, value in msgspec.structs.asdict(wire).items() if value is not None}
    for field in ("properties", "attributes", "traits"):
        if field in fields:
            fields[field] = _read_map(fields[field])
    return decode(fields)


def _counted(kind: int, found: Any) -> tuple[int, int, int, float | None]:
    """The counts of a turn, a call or usage: messages, tokens, cost.

    :raises _NotPlain: something is missing.
    """
    if kind == FUNCTION:
        if found.name is None:
            raise _NotPlain
        if found.runtime is None:
            found.runtime = 0
        return 0, 0, 0, None
    messages = 0
    if kind == TURN:
        user, assistant = found.user, found.assistant
        if user is None or assistant is None:
            raise _NotPlain
        messages = (user != "") + (assistant != "")
    cost = found.cost
    if cost is not None:
        if found.model:
            return messages, found.prompt_tokens or 0, found.completion_tokens or 0, cost
        return messages, 0, 0, cost
    if found.model is not None:
        prompt_tokens, completion_tokens = found.prompt_tokens, found.completion_tokens
        if prompt_tokens is not None and completion_tokens is not None:
            return messages, prompt_tokens, completion_tokens, None
    if kind == USAGE:
        raise _NotPlain
    return messages, 0, 0, None


_seconds: dict[str, int] = {}
"""Cached times of whole seconds, by their texts, since many events share a second."""


def _stored_time(text: str | None) -> int:
    """The stored form of a timestamp.

    :raises InvalidEvent: it is invalid.
    """
    if text is None:
        return now()
    second, digits, scale = text[:19], text[20:-1], _SCALES.get(len(text))
    if scale is None or text[19] != "." or text[-1] != "Z" or not (digits.isdigit() and text.isascii()):
        return _exactly(text)
    stored = _seconds.get(second)
    if stored is None:
        if len(_seconds) > 1000:
            _seconds.clear()
        stored = _seconds[second] = _exactly(f"{second}Z")
    return stored + scale * int(digits)


_SCALES = {len("2026-01-01T00:00:00.000Z"): 1000, len("2026-01-01T00:00:00.000000Z"): 1}
"""Microseconds of the last digit, by the length of a time."""


def _exactly(text: str) -> int:
    try:
        return microseconds(text)
    except ValueError:
        raise _NotPlain from None
