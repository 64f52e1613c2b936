"""The server itself in the document: its state, this document, and its chaos."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ..chaos import CHAOS_PATH
from .operation import Operation
from .shapes import OBJECT, TEXTS, record, ref

_chaos = partial(
    Operation,
    answer=record(
        chaos=TEXTS,
        requests={"type": "integer", "minimum": 0},
        met={"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
    ),
    app=False,
)

OPERATIONS: Mapping[str, Operation] = {
    "GET /": Operation("Name and version", record(name=TEXTS, version=TEXTS), key=False),
    "GET /healthz": Operation("Whether events can be stored", ref("Ok"), key=False, others=(503,)),
    "GET /openapi.json": Operation("This document", OBJECT, key=False),
    f"GET {CHAOS_PATH}": _chaos("What goes wrong, and how often it did"),
    f"PUT {CHAOS_PATH}": _chaos(
        "Have something go wrong from now on, or nothing",
        body={**TEXTS, "examples": ["429:20%,latency:50ms", ""]},
        takes="text/plain",
    ),
}
