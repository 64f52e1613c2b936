"""Events and rows as JSON Schemas that are made of the types themselves.

An event's schema comes of the validators of its class, a row's of the columns of its collection. Which request takes
and answers what is in ``mindlytics.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import NOTHING, fields_dict

from ... import validators, values
from ...events import EVENT_TYPES, CustomEvent, Event, TrackedEvent
from ...usage import Cost, TokenBasedCost
from .. import query
from ..collection import COLLECTIONS, Collection
from .shapes import DATE_TIME, NAME, NULL, SCALAR, TEXTS, TIMESTAMP, Schema, array, or_null, ref

# -- events

_OF_VALIDATOR: Mapping[Any, Schema] = {
    validators.name: NAME,
    validators.optional_name: NAME,
    validators.text: TEXTS,
    validators.optional_text: TEXTS,
    validators.timestamp: TIMESTAMP,
    validators.scalars: {"type": "object", "additionalProperties": or_null(SCALAR)},
    validators.count: {"type": "integer", "minimum": 0, "maximum": values.INT64[-1]},
    validators.finite: {"type": "number"},
    validators.milliseconds: {"type": "number", "minimum": 0},
}
"""What each validator of an event's field takes. One without a row here has no schema: add it."""


def _fields(kind: type[Any], names: Iterable[str] | None = None) -> tuple[dict[str, Schema], list[str]]:
    """The schemas of the fields of a class, or of those of these names, and the names of those that are required."""
    attributes = fields_dict(kind)
    schemas, required = {}, []
    for name in attributes if names is None else names:
        schema = _OF_VALIDATOR[attributes[name].validator]
        if attributes[name].default is NOTHING:
            required.append(name)
        schemas[name] = schema if name in required else or_null(schema)
    return schemas, required


def _usage(*, required: bool) -> Schema:
    """What the properties say of usage: a cost, or else tokens, or else neither in whole."""
    cost, _ = _fields(Cost)
    tokens, names = _fields(TokenBasedCost, ["model", "prompt_tokens", "completion_tokens"])
    of_cost: Schema = {"properties": cost, "required": list(cost)}
    of_tokens: Schema = {"properties": {**tokens, "cost": NULL}, "required": names}
    neither: Schema = {"properties": {"cost": NULL}, "anyOf": [{"properties": {name: NULL}} for name in names]}
    return {"anyOf": [of_cost, of_tokens] if required else [of_cost, of_tokens, neither]}


def event_schema(event_type: type[Event]) -> Schema:
    """An event of this class as it is on the wire."""
    own = event_type.own_properties
    usage = fields_dict(event_type).get("usage")
    fields, required = _fields(event_type, [name for name in fields_dict(event_type) if name not in (*own, "usage")])
    fields["type"] = {"const": event_type.type}
    required.append("type")
    if issubclass(event_type, TrackedEvent):
        fields["event"] = (
            {**NAME, "not": {"enum": _KNOWN}} if event_type is CustomEvent else {"const": event_type.event}
        )
        required = [*dict.fromkeys([*required, "event"])]
    if own or usage is not None:
        inside, needed = _fields(event_type, own)
        properties: Schema = {"type": "object", "properties": inside, "additionalProperties": or_null(SCALAR)}
        if usage is not None:
            properties |= _usage(required=usage.default is NOTHING)
        if needed or (usage is not None and usage.default is NOTHING):
            fields["properties"] = {**properties, "required": needed}
            required.append("properties")
        else:
            fields["properties"] = or_null(properties)
    return {
        "type": "object",
        "description": (event_type.__doc__ or "").strip(),
        "properties": fields,
        "required": required,
    }


_KNOWN = [each.event for each in EVENT_TYPES if issubclass(each, TrackedEvent) and each is not CustomEvent]


# -- rows

_OF_KIND: Mapping[str, Schema] = {
    query.TEXT: TEXTS,
    query.NUMBER: {"type": "number"},
    query.TIME: DATE_TIME,
    query.MAP: {"type": "object", "additionalProperties": SCALAR},
    query.LIST: array(TEXTS),
    query.EVENT: TEXTS,
}


def row_schema(collection: Collection) -> Schema:
    """A row of a collection. A projection may leave columns out, ``include`` adds related rows."""
    columns = {name: or_null(_OF_KIND[column.kind]) for name, column in collection.columns.items()}
    related = {
        name: or_null(ref(row_name(each.collection))) if each.one else array(ref(row_name(each.collection)))
        for name, each in collection.related.items()
    }
    return {"type": "object", "properties": {**columns, **related}, "additionalProperties": False}


def row_name(collection: str) -> str:
    """What a row of this collection is called in the document."""
    return "StoredEvent" if collection == "events" else collection[:-1].title()


# -- all of them

_FILTER_VALUE = or_null(SCALAR)
_FILTERS = {**array(ref("Filter")), "minItems": 1}
_OPERATORS: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("$eq", "$ne", "$gt", "$gte", "$lt", "$lte"), _FILTER_VALUE),
        **{name: array(_FILTER_VALUE) for name in ("$in", "$nin")},
        "$exists": {"enum": [True, False, 0, 1]},
    },
}


def schemas() -> dict[str, Schema]:
    """Every schema that has a name."""
    return {
        "Ok": {
            "type": "object",
            "properties": {"status": {"const": "ok"}},
            "required": ["status"],
            "additionalProperties": False,
        },
        "Error": {
            "type": "object",
            "properties": {
                "error": {"type": "string", "description": "The kind of error, in a word or two."},
                "message": {"type": "string", "description": "What is wrong, in words."},
                "field": {"type": "string", "description": "The field, parameter or header that breaks a rule."},
                "index": {"type": "integer", "minimum": 0, "description": "The place of the bad event in the array."},
            },
            "required": ["error", "message"],
            "additionalProperties": False,
        },
        **{event_type.__name__: event_schema(event_type) for event_type in EVENT_TYPES},
        "Event": {"oneOf": [ref(event_type.__name__) for event_type in EVENT_TYPES]},
        "Filter": {
            "type": "object",
            "properties": {"$and": _FILTERS, "$or": _FILTERS},
            "patternProperties": {r"^([^$]|$)": {"anyOf": [_FILTER_VALUE, _OPERATORS]}},
            "additionalProperties": False,
        },
        "Sort": {"type": "object", "additionalProperties": {"enum": [1, -1]}},
        "Projection": {"type": "object", "additionalProperties": {"enum": [0, 1, True, False]}},
        **{row_name(name): row_schema(collection) for name, collection in COLLECTIONS.items()},
    }
