"""OpenTelemetry's export of traces in the document: the part of its JSON form that the server reads."""

from __future__ import annotations

from collections.abc import Mapping

from ..traces import PROTOBUF, TRACES_PATH
from .operation import Operation
from .shapes import TEXTS, Schema, array, open_record, record

_NANOSECONDS: Schema = {"type": ["string", "integer"], "pattern": "^[0-9]{1,19}$", "minimum": 0, "maximum": 2**63}
_ATTRIBUTES = array(
    open_record("key", key=TEXTS, value=open_record(stringValue=TEXTS, intValue=TEXTS, boolValue={"type": "boolean"}))
)
_SPAN = open_record(
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
        body=open_record(
            resourceSpans=array(
                open_record(
                    resource=open_record(attributes=_ATTRIBUTES), scopeSpans=array(open_record(spans=array(_SPAN)))
                )
            )
        ),
        media=[PROTOBUF],
        others=[415, 422],
    ),
}
