"""JSON Schemas that all services share, and functions that combine them.

Each service's own requests and answers are in its file.
"""

from __future__ import annotations

from typing import Any

from ... import validators, values
from ..http import MAX_HEADER

Schema = dict[str, Any]

TEXTS: Schema = {"type": "string"}
TEXT: Schema = {"type": "string", "minLength": 1}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": validators.MAX_NAME}
HEADER: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_HEADER}
SCALAR: Schema = {"type": ["string", "number", "boolean"]}
OBJECT: Schema = {"type": "object"}
NULL: Schema = {"type": "null"}
DATE_TIME: Schema = {"type": "string", "format": "date-time"}
TIMESTAMP: Schema = {
    "type": "string",
    "pattern": f"^{values.ISO_8601}$",
    "description": "ISO 8601; UTC without an offset",
}


def array(items: Schema) -> Schema:
    """A list of such values."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """A reference to the document's schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """Such a value, or null, which means the same as leaving it out."""
    kinds = schema.get("type")
    if kinds is None:
        return {"anyOf": [schema, NULL]}
    return {**schema, "type": [*(kinds if isinstance(kinds, list) else [kinds]), "null"]}


def whole(default: int = 0) -> Schema:
    """A whole number of a query."""
    return {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": default}


def record(required: list[str] | None = None, **fields: Schema) -> Schema:
    """An object with exactly these fields. All are required unless ``required`` names some."""
    names = list(fields) if required is None else required
    return {"type": "object", "properties": fields, "required": names, "additionalProperties": False}


def open_record(*required: str, **fields: Schema) -> Schema:
    """An object, such as the body of a request, whose unknown fields are ignored."""
    return {"type": "object", "properties": fields, "required": list(required)}
