"""Reads spans from OTLP/HTTP requests to ``/v1/traces``, in protobuf and in JSON, without a library.

It reads a part of the fields of ``opentelemetry/proto/collector/trace/v1/trace_service.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from attrs import frozen

from ..integrations.traces import Span
from .schema import as_datetime

IS_REMOTE = 0x200
"""The flag of a span whose parent is in another process."""
FAILED = 2
"""The status code for an error."""
DEEPEST = 32
"""Most nested lists and maps in an attribute."""


class Undecodable(ValueError):
    """The body is not an export request."""


@frozen
class Sent:
    """A received span, and whether it is the outermost one of its process."""

    trace_id: str
    span: Span
    is_outermost: bool


def decode(body: bytes, *, as_json: bool) -> list[Sent]:
    """The spans of an export request.

    :raises Undecodable: it is not an export request.
    """
    try:
        return list(_of_json(orjson.loads(body)) if as_json else _of_protobuf(memoryview(body)))
    except Exception as error:  # invalid data may raise anything
        raise Undecodable("the body is not an ExportTraceServiceRequest") from error


# -- JSON


def _of_json(body: Any) -> Iterator[Sent]:
    for resource in body.get("resourceSpans") or ():
        attributes = _json_attributes((resource.get("resource") or {}).get("attributes"))
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                status = span.get("status") or {}
                yield _sent(
                    trace_id=str(span["traceId"]),
                    id=str(span["spanId"]),
                    parent=str(span.get("parentSpanId") or ""),
                    name=str(span.get("name") or ""),
                    began=int(span["startTimeUnixNano"]),
                    ended=int(span["endTimeUnixNano"]),
                    attributes=_json_attributes(span.get("attributes")),
                    events=[
                        (str(event.get("name") or ""), _json_attributes(event.get("attributes")))
                        for event in span.get("events") or ()
                    ],
                    failed=status.get("code") in (FAILED, "STATUS_CODE_ERROR"),
                    flags=int(span.get("flags") or 0),
                    resource=attributes,
                )


def _json_attributes(attributes: Any) -> dict[str, Any]:
    return {str(each["key"]): _json_value(each.get("value") or {}) for each in attributes or ()}


def _json_value(value: Mapping[str, Any], depth: int = 0) -> Any:
    if depth > DEEPEST:
        return None
    for kind, inner in value.items():
        if kind == "intValue":
            return int(inner)
        if kind == "arrayValue":
            return [_json_value(each, depth + 1) for each in inner.get("values") or ()]
        if kind == "kvlistValue":
            return {str(each["key"]): _json_value(each.get("value") or {}, depth + 1) for each in inner["values"]}
        return inner
    return None


# -- protobuf


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers as numbers, others as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}[kind]
        if at + size > len(data):
            raise ValueError("it breaks off")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")


def _all(data: Any, number: int) -> Iterator[Any]:
    return (value for field, value in _fields(data) if field == number)


def _of_protobuf(data: memoryview) -> Iterator[Sent]:
    for resource_spans in _all(data, 1):
        attributes: dict[str, Any] = {}
        for resource in _all(resource_spans, 1):
            attributes = dict(_attribute(each) for each in _all(resource, 1))
        for scope_spans in _all(resource_spans, 2):
            for span in _all(scope_spans, 2):
                yield _span(span, attributes)


def _span(data: Any, resource: dict[str, Any]) -> Sent:
    found: dict[int, Any] = {}
    attributes: dict[str, Any] = {}
    events: list[tuple[str, dict[str, Any]]] = []
    for number, value in _fields(data):
        if number == 9:
            attributes.update([_attribute(value)])
        elif number == 11:
            name = "".join(_string(each) for each in _all(value, 2))
            events.append((name, dict(_attribute(each) for each in _all(value, 3))))
        else:
            found[number] = value
    return _sent(
        trace_id=bytes(found[1]).hex(),
        id=bytes(found[2]).hex(),
        parent=bytes(found.get(4, b"")).hex(),
        name=_string(found.get(5, b"")),
        began=struct.unpack("<Q", found[7])[0],
        ended=struct.unpack("<Q", found[8])[0],
        attributes=attributes,
        events=events,
        failed=FAILED in _all(found.get(15, b""), 3),
        flags=struct.unpack("<I", found[16])[0] if 16 in found else 0,
        resource=resource,
    )


def _attribute(data: Any) -> tuple[str, Any]:
    parts = dict(_fields(data))
    return _string(parts.get(1, b"")), _value(parts.get(2, b""))


def _value(data: Any, depth: int = 0) -> Any:
    """An ``AnyValue``."""
    if depth > DEEPEST:
        return None
    for number, value in _fields(data):
        if number == 1:
            return _string(value)
        if number == 2:
            return bool(value)
        if number == 3:
            return value - 2**64 if value >= 2**63 else value
        if number == 4:
            return struct.unpack("<d", value)[0]
        if number == 5:
            return [_value(each, depth + 1) for each in _all(value, 1)]
        if number == 6:
            pairs = [dict(_fields(each)) for each in _all(value, 1)]
            return {_string(pair.get(1, b"")): _value(pair.get(2, b""), depth + 1) for pair in pairs}
    return None


def _string(data: Any) -> str:
    return bytes(data).decode("utf-8", "replace")


# -- both


def _sent(
    *,
    trace_id: str,
    parent: str,
    began: int,
    ended: int,
    failed: bool,
    flags: int,
    attributes: dict[str, Any],
    events: list[tuple[str, Any]],
    **others: Any,
) -> Sent:
    error = None
    if failed:
        raised = (values.get("exception.type") for name, values in events if name == "exception")
        error = str(attributes.get("error.type") or next(raised, None) or "error")
    span = Span(
        parent=parent or None,
        began=as_datetime(began // 1000),
        ended=as_datetime(max(began, ended) // 1000),
        attributes=attributes,
        events=events,
        error=error,
        **others,
    )
    return Sent(trace_id, span, not parent or bool(flags & IS_REMOTE))
