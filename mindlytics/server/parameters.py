"""Types that queries and bodies of all routes share. ``typed.py`` reads by them, and ``openapi/`` describes them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from ..validators import MAX_NAME
from ..values import ISO_8601

MAX_HEADER = 255
"""Most characters of a key, an app id or an Idempotency-Key."""

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Header = Annotated[str, Meta(min_length=1, max_length=MAX_HEADER)]
Whole = Annotated[int, Meta(ge=0, le=10**18 - 1)]
Limit = Annotated[Whole, Meta(description="0: no limit.")]
Traits = dict[str, str | int | float | bool | None]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Date = Annotated[str, Meta(description="ISO 8601, a date with or without a time.")]
Timestamp = Annotated[
    str, Meta(description="ISO 8601; UTC without an offset.", extra_json_schema={"pattern": f"^{ISO_8601}$"})
]
Object = dict[str, Any]


SCHEMA = "#/components/schemas/{name}"
"""Where the document has the schema of a name."""


def ref(name: str) -> dict[str, Any]:
    """A reference to a schema of the document."""
    return {"$ref": SCHEMA.format(name=name)}


def named(name: str) -> Meta:
    """The mark of a value that a schema of the document describes (``openapi/``)."""
    return Meta(extra_json_schema=ref(name))
