"""Reads spans from OTLP/HTTP requests to ``/v1/traces``, in protobuf and in JSON, without a library.

It reads a part of the fields of ``opentelemetry/proto/collector/trace/v1/trace_service.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Union

import msgspec
from attrs import frozen

from ..integrations.traces import Span
from .schema import as_datetime

Attributes = dict[str, object]

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
        return list(_of_json(body) if as_json else _of_protobuf(memoryview(body)))
    except Exception as error:  # invalid data may raise anything
        raise Undecodable("the body is not an ExportTraceServiceRequest") from error


# -- JSON: the fields of the messages that are read


class AnyValue(msgspec.Struct, rename="camel"):
    string_value: Any = None
    bool_value: Any = None
    int_value: int | None = None
    double_value: Any = None
    bytes_value: Any = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None


class ArrayValue(msgspec.Struct):
    values: list[AnyValue] | None = None


class KeyValue(msgspec.Struct):
    key: str
    value: AnyValue | None = None


class KeyValueList(msgspec.Struct):
    values: list[KeyValue] | None = None


class SpanStatus(msgspec.Struct):
    code: Union[int, str, None] = None


class SpanEvent(msgspec.Struct):
    name: str | None = None
    attributes: list[KeyValue] | None = None


class JsonSpan(msgspec.Struct, rename="camel"):
    trace_id: str
    span_id: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    parent_span_id: str | None = None
    name: str | None = None
    attributes: list[KeyValue] | None = None
    events: list[SpanEvent] | None = None
    status: SpanStatus | None = None
    flags: int | None = None


class ScopeSpans(msgspec.Struct):
    spans: list[JsonSpan] | None = None


class SpanResource(msgspec.Struct):
    attributes: list[KeyValue] | None = None


class ResourceSpans(msgspec.Struct, rename="camel"):
    resource: SpanResource | None = None
    scope_spans: list[ScopeSpans] | None = None


class ExportRequest(msgspec.Struct, rename="camel"):
    resource_spans: list[ResourceSpans] | None = None


_read_request = msgspec.json.Decoder(ExportRequest, strict=False).decode
"""Not strict, since JSON's 64 bit integers are strings here."""


def _of_json(body: bytes) -> Iterator[Sent]:
    for spans in _read_request(body).resource_spans or ():
        resource = _json_attributes(spans.resource.attributes if spans.resource else None)
        for scope in spans.scope_spans or ():
            for span in scope.spans or ():
                yield _sent(
                    trace_id=span.trace_id,
                    id=span.span_id,
                    parent=span.parent_span_id or "",
                    name=span.name or "",
                    began=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    attributes=_json_attributes(span.attributes),
                    events=[(event.name or "", _json_attributes(event.attributes)) for event in span.events or ()],
                    failed=span.status is not None and span.status.code in (FAILED, "STATUS_CODE_ERROR"),
                    flags=span.flags or 0,
                    resource=resource,
                )


def _json_attributes(pairs: Sequence[KeyValue] | None, depth: int = 0) -> Attributes:
    return {each.key: None if each.value is None else _json_value(each.value, depth) for each in pairs or ()}


def _json_value(value: AnyValue, depth: int) -> object:
    if depth > DEEPEST:
        return None
    if value.array_value is not None:
        return [_json_value(each, depth + 1) for each in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return _json_attributes(value.kvlist_value.values, depth + 1)
    plain = (value.string_value, value.bool_value, value.int_value, value.double_value, value.bytes_value)
    return next((each for each in plain if each is not None), None)


# -- protobuf

Field = Union[int, memoryview]


def _fields(data: memoryview) -> Iterator[tuple[int, Field]]:
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


def _all(data: memoryview, number: int) -> Iterator[Field]:
    return (value for field, value in _fields(data) if field == number)


def _messages(data: memoryview, number: int) -> Iterator[memoryview]:
    return map(_bytes, _all(data, number))


def _bytes(value: Field) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number, where bytes were expected")
    return value


def _of_protobuf(data: memoryview) -> Iterator[Sent]:
    for resource_spans in _messages(data, 1):
        attributes: Attributes = {}
        for resource in _messages(resource_spans, 1):
            attributes = dict(_attribute(each) for each in _messages(resource, 1))
        for scope_spans in _messages(resource_spans, 2):
            for span in _messages(scope_spans, 2):
                yield _span(span, attributes)


def _span(data: memoryview, resource: Attributes) -> Sent:
    found: dict[int, memoryview] = {}
    attributes: Attributes = {}
    events: list[tuple[str, Attributes]] = []
    for number, value in _fields(data):
        if number == 9:
            attributes.update([_attribute(_bytes(value))])
        elif number == 11:
            event = _bytes(value)
            name = "".join(_string(each) for each in _all(event, 2))
            events.append((name, dict(_attribute(each) for each in _messages(event, 3))))
        elif not isinstance(value, int):
            found[number] = value
    return _sent(
        trace_id=found[1].hex(),
        id=found[2].hex(),
        parent=found.get(4, NOTHING).hex(),
        name=_string(found.get(5, NOTHING)),
        began=struct.unpack("<Q", found[7])[0],
        ended=struct.unpack("<Q", found[8])[0],
        attributes=attributes,
        events=events,
        failed=FAILED in _all(found.get(15, NOTHING), 3),
        flags=struct.unpack("<I", found[16])[0] if 16 in found else 0,
        resource=resource,
    )


NOTHING = memoryview(b"")


def _attribute(data: memoryview, depth: int = 0) -> tuple[str, object]:
    parts = dict(_fields(data))
    return _string(parts.get(1, NOTHING)), _value(_bytes(parts.get(2, NOTHING)), depth)


def _value(data: memoryview, depth: int) -> object:
    """An ``AnyValue``."""
    if depth > DEEPEST:
        return None
    for number, value in _fields(data):
        if isinstance(value, int):
            if number == 2:
                return bool(value)
            if number == 3:
                return value - 2**64 if value >= 2**63 else value
        elif number == 1:
            return _string(value)
        elif number == 4:
            return struct.unpack("<d", value)[0]
        elif number == 5:
            return [_value(each, depth + 1) for each in _messages(value, 1)]
        elif number == 6:
            return dict(_attribute(each, depth + 1) for each in _messages(value, 1))
    return None


def _string(data: Field) -> str:
    return str(_bytes(data), "utf-8", "replace")


# -- both


def _sent(
    *,
    trace_id: str,
    id: str,
    parent: str,
    name: str,
    began: int,
    ended: int,
    failed: bool,
    flags: int,
    attributes: Attributes,
    events: Sequence[tuple[str, Attributes]],
    resource: Attributes,
) -> Sent:
    error = None
    if failed:
        raised = (values.get("exception.type") for name, values in events if name == "exception")
        error = str(attributes.get("error.type") or next(raised, None) or "error")
    span = Span(
        id=id,
        parent=parent or None,
        name=name,
        began=as_datetime(began // 1000),
        ended=as_datetime(max(began, ended) // 1000),
        attributes=attributes,
        events=list(events),
        error=error,
        resource=resource,
    )
    return Sent(trace_id, span, not parent or bool(flags & IS_REMOTE))
