"""The server's own description, an OpenAPI document of all requests and answers.

It is made of the routes: of the types that read queries and bodies, the types of answers, and docstrings. The other
files here have the schemas of what is described elsewhere than in such types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ... import __version__
from ..http import caller_of
from ..parameters import SCHEMA, Header, Text
from ..routes import Route
from ..typed import is_json
from . import align, conversations, events, rows

Schema = dict[str, Any]

JSON = "application/json"
REASONS = {
    400: "A rule is broken; `field` names where.",
    401: "The key or the project id is missing.",
    403: "The key is not taken.",
    404: "It does not exist.",
    408: "The body did not come in time.",
    413: "The body is longer than 1 MiB.",
    415: "The body is of another type.",
    422: "A rule is broken, or the Idempotency-Key was used with another body.",
    426: "This address is a WebSocket's.",
    501: "A library that this needs is not installed.",
    503: "The store cannot do this at present; `message` or `detail` says why.",
}


def document(services: Mapping[str, Sequence[Route]]) -> Schema:
    """The document of these services."""
    schemas: Schema = {**events.schemas(), **rows.schemas(), **align.schemas(), **conversations.schemas()}
    paths: dict[str, Schema] = {}
    for service, routes in services.items():
        for route in routes:
            paths.setdefault(route.path, {})[route.method.lower()] = {**_operation(route, schemas), "tags": [service]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mindlytics local server",
            "version": __version__,
            "description": "Takes what the services take, keeps it in one file, and answers reads.",
        },
        "tags": [{"name": service} for service in services],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "The API key."}},
        },
    }


def _operation(route: Route, schemas: Schema) -> Schema:
    described: Schema = {
        "summary": route.summary,
        "parameters": list(_parameters(route, schemas)),
        "responses": dict(_responses(route, schemas)),
        "security": [] if route.credentials is None else [{"key": []}],
    }
    if route.body_type is not None:
        content = {route.takes: {"schema": _schema(route.body_type, schemas)}, **{other: {} for other in route.media}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(route: Route, schemas: Schema) -> Iterator[Schema]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": _schema(Text, schemas)}
    if route.credentials is caller_of:
        yield {"name": "X-App-ID", "in": "header", "required": True, "schema": _schema(Header, schemas)}
    if route.key:
        schema = {**_schema(Header, schemas), "description": "A request of a key that was seen has no further effect."}
        yield {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema}
    for field in () if route.query_type is None else msgspec.structs.fields(route.query_type):
        schema = _schema(field.type, schemas)
        if field.default not in (msgspec.NODEFAULT, None, ""):
            schema["default"] = field.default
        shape = {"content": {JSON: {"schema": schema}}} if is_json(field.type) else {"schema": _without_null(schema)}
        yield {"name": field.encode_name, "in": "query", "required": field.required, **shape}


def _responses(route: Route, schemas: Schema) -> Iterator[tuple[str, Schema]]:
    if route.status == 101:
        yield "101", {"description": "The WebSocket."}
    else:
        kind = route.answer_type
        content = {} if kind is type(None) else {JSON: {"schema": _schema(kind, schemas)}}
        yield (
            str(route.status),
            {"description": "The answer.", "content": {**content, **{it: {} for it in route.media}}},
        )
    refused = {*route.others, *(() if route.credentials is None else (*route.refusals, 503))}
    if route.body_type is not None:
        refused |= {408, 413}
    for status in sorted(refused):
        content = {JSON: {"schema": _schema(route.error, schemas)}}
        yield str(status), {"description": REASONS[status], "content": content}


def _schema(kind: Any, schemas: Schema) -> Schema:
    """The schema of a type. Those of its parts that have a name are added to ``schemas``."""
    (found,), parts = msgspec.json.schema_components([kind], ref_template=SCHEMA)
    for name, part in parts.items():
        if schemas.setdefault(name, part) != part:
            raise TypeError(f"two types of requests or answers have the name {name}")
    return found


def _without_null(schema: Schema) -> Schema:
    """The schema of a parameter, which is a text or nothing."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    others = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**others, **kinds[0]} if len(kinds) == 1 else schema
