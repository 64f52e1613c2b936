"""The server's own description, an OpenAPI document: which request takes what and answers what.

Each service that the server speaks for has a file here, with a row in its ``OPERATIONS`` for each of its requests; a
test compares the rows with the routes. What is said of a body or an answer is made of the types that check them,
wherever there are such types.
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
"""Every request that is answered, by method and path."""


@cache
def document() -> dict[str, Any]:
    """The document as it is answered."""
    paths: dict[str, dict[str, Any]] = {}
    for service, operations in SERVICES.items():
        for name, operation in operations.items():
            method, path = name.split()
            paths.setdefault(path, {})[method.lower()] = operation.told(path, service)
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
