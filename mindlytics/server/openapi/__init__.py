"""The server's own description, an OpenAPI document of all requests and answers.

Each service has a file here, with a row in its ``OPERATIONS`` for each request. A test compares the rows with the
routes. Schemas of bodies and answers are made from the types that check them, where such types exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ... import __version__
from . import align, antonnia, mindlytics, otlp, server
from .operation import Operation

SERVICES: Mapping[str, Mapping[str, Operation]] = {
    "This server": server.OPERATIONS,
    "Mindlytics": mindlytics.OPERATIONS,
    "Align AI": align.OPERATIONS,
    "Antonnia Conversations": antonnia.OPERATIONS,
    "OpenTelemetry": otlp.OPERATIONS,
}

OPERATIONS: Mapping[str, Operation] = {
    name: operation for operations in SERVICES.values() for name, operation in operations.items()
}
"""All requests, by method and path."""


@cache
def document() -> dict[str, Any]:
    """The document in the answer."""
    paths: dict[str, dict[str, Any]] = {}
    for service, operations in SERVICES.items():
        for name, operation in operations.items():
            method, path = name.split()
            paths.setdefault(path, {})[method.lower()] = operation.to_openapi(path, service)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mindlytics local server",
            "version": __version__,
            "description": "Takes what the services take, keeps it in one file, and answers reads.",
        },
        "tags": [{"name": service} for service in SERVICES],
        "paths": paths,
        "components": {
            "schemas": {**mindlytics.schemas(), **align.schemas(), **antonnia.schemas()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "The API key."}},
        },
    }
