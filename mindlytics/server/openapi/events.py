"""Events as they are on the wire, made of the validators of their classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from attrs import NOTHING, fields_dict

from ...events import EVENT_TYPES, CustomEvent, Event, TrackedEvent
from ...usage import Cost, TokenBasedCost
from ..decoding import TYPES
from ..parameters import Name, Traits, ref

Schema = dict[str, Any]

NULL: Schema = {"type": "null"}
KNOWN = [each.event for each in EVENT_TYPES if issubclass(each, TrackedEvent) and each is not CustomEvent]


def schemas() -> dict[str, Schema]:
    """The schema of each type of event, and that of any."""
    kinds = {kind.__name__: _event(kind) for kind in EVENT_TYPES}
    return {**kinds, "Event": {"oneOf": [ref(name) for name in kinds]}}


def _event(event_type: type[Event]) -> Schema:
    own, attributes = event_type.own_properties, fields_dict(event_type)
    fields, required = _fields(event_type, [name for name in attributes if name not in (*own, "usage")])
    fields["type"] = {"const": event_type.type}
    if event_type is CustomEvent:
        fields["event"] = {**msgspec.json.schema(Name), "not": {"enum": KNOWN}}
    elif issubclass(event_type, TrackedEvent):
        fields["event"] = {"const": event_type.event}
    usage = attributes.get("usage")
    if own or usage is not None:
        inside, needed = _fields(event_type, own)
        properties = {**msgspec.json.schema(Traits), "properties": inside, "required": needed}
        if usage is not None:
            properties |= _usage(required=usage.default is NOTHING)
            needed = needed or (["usage"] if usage.default is NOTHING else [])
        fields["properties"] = properties if needed else {"anyOf": [properties, NULL]}
        required += ["properties"] if needed else []
    required += [name for name in ("type", "event") if name in fields and name not in required]
    return {
        "type": "object",
        "description": (event_type.__doc__ or "").strip(),
        "properties": fields,
        "required": required,
    }


def _fields(kind: type[Any], names: Iterable[str] | None = None) -> tuple[dict[str, Schema], list[str]]:
    """The schemas of the fields of a class, or of those of these names, and the names of those that are required."""
    attributes = fields_dict(kind)
    schemas, required = {}, []
    for name in attributes if names is None else names:
        schema = msgspec.json.schema(TYPES[attributes[name].validator])
        if attributes[name].default is NOTHING:
            required.append(name)
        schemas[name] = schema if name in required else {"anyOf": [schema, NULL]}
    return schemas, required


def _usage(*, required: bool) -> Schema:
    """What the properties say of usage: a cost, or else tokens, or else neither in whole."""
    cost, _ = _fields(Cost)
    tokens, names = _fields(TokenBasedCost, ["model", "prompt_tokens", "completion_tokens"])
    of_cost: Schema = {"properties": cost, "required": list(cost)}
    of_tokens: Schema = {"properties": {**tokens, "cost": NULL}, "required": names}
    neither: Schema = {"properties": {"cost": NULL}, "anyOf": [{"properties": {name: NULL}} for name in names]}
    return {"anyOf": [of_cost, of_tokens] if required else [of_cost, of_tokens, neither]}
