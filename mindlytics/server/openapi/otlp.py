"""OpenTelemetry's export of traces in the document: the part of its JSON form that the server reads."""

from __future__ import annotations

from collections.abc import Mapping

from ..traces import PROTOBUF, TRACES_PATH
from .operation import Operation
from .shapes import TEXTS, Schema, array, given, record

_NANOSECONDS: Schema = {"type": ["string", "integer"], "pattern": "^[0-9]{1,19}$", "minimum": 0, "maximum": 2**63}
_ATTRIBUTES = array(
    given("key", key=TEXTS, value=given(stringValue=TEXTS, intValue=TEXTS, boolValue={"type": "boolean"}))
)
_SPAN = given(
    "traceId",
    "spanId",
    "startTimeUnixNano",
    "endTimeUnixNano",
    traceId=TEXTS,
    spanId=TEXTS,
    parentSpanId=TEXTS,
    name=TEXTS,
    startTimeUnixNano=_NANOSECONDS,
    endTimeUnixNano=_NANOSECONDS,
    attributes=_ATTRIBUTES,
)

OPERATIONS: Mapping[str, Operation] = {
    f"POST {TRACES_PATH}": Operation(
        "Store the spans of models, tools and agents as turns",
        record(),
        body=given(
            resourceSpans=array(
                given(resource=given(attributes=_ATTRIBUTES), scopeSpans=array(given(spans=array(_SPAN))))
            )
        ),
        media=[PROTOBUF],
        others=[415, 422],
    ),
}
