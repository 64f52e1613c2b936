"""Rows of collections, made of the columns, and what a query of rows holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .. import query
from ..collection import COLLECTIONS, Collection, row_name
from ..parameters import Time, ref

Schema = dict[str, Any]

OF_KIND: Mapping[str, Any] = {
    query.TEXT: str,
    query.NUMBER: float,
    query.TIME: Time,
    query.MAP: dict[str, str | float | bool],
    query.LIST: list[str],
    query.EVENT: str,
}
VALUE: Schema = {"type": ["string", "number", "boolean", "null"]}
FILTERS: Schema = {"type": "array", "items": ref("Filter"), "minItems": 1}
OPERATORS: Schema = {
    **dict.fromkeys(("$eq", "$ne", "$gt", "$gte", "$lt", "$lte"), VALUE),
    "$in": {"type": "array", "items": VALUE},
    "$nin": {"type": "array", "items": VALUE},
    "$exists": {"enum": [True, False, 0, 1]},
}


def schemas() -> dict[str, Schema]:
    """The schema of a row of each collection, and those of a query's parameters."""
    operators = {"type": "object", "properties": OPERATORS, "additionalProperties": False, "minProperties": 1}
    return {
        **{row_name(name): _row(collection) for name, collection in COLLECTIONS.items()},
        "Filter": {
            "type": "object",
            "properties": {"$and": FILTERS, "$or": FILTERS},
            "patternProperties": {r"^([^$]|$)": {"anyOf": [VALUE, operators]}},
            "additionalProperties": False,
        },
        "Sort": {"type": "object", "additionalProperties": {"enum": [1, -1]}},
        "Projection": {"type": "object", "additionalProperties": {"enum": [0, 1, True, False]}},
    }


def _row(collection: Collection) -> Schema:
    """A row. A projection may leave columns out, ``include`` adds related rows."""
    columns = {name: msgspec.json.schema(OF_KIND[column.kind] | None) for name, column in collection.columns.items()}
    related = {
        name: {"anyOf": [row, {"type": "null"}]} if each.one else {"type": "array", "items": row}
        for name, each in collection.related.items()
        for row in (ref(row_name(each.collection)),)
    }
    return {"type": "object", "properties": {**columns, **related}, "additionalProperties": False}
