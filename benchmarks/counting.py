"""How many events a body holds, in the encoding of each SDK. Called after what is timed, never during it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator

LENGTH_DELIMITED = 2
FIXED = {1: 8, 5: 4}
"""Protobuf wire types of a fixed length, in bytes."""


def json_events(body: bytes) -> int:
    """An array of events, or a lone one."""
    read = json.loads(body)
    return len(read) if isinstance(read, list) else 1


def batch_events(body: bytes) -> int:
    """An object with a list named ``batch``."""
    return len(json.loads(body)["batch"])


def align_events(body: bytes) -> int:
    """``CollectEventsRequest``: field 2 is repeated, one for each event."""
    return len(_messages(body, 2))


def otlp_spans(body: bytes) -> int:
    """``ExportTraceServiceRequest``: resource_spans (1), in them scope_spans (2), in them spans (2)."""
    return sum(
        len(_messages(scope_spans, 2))
        for resource_spans in _messages(body, 1)
        for scope_spans in _messages(resource_spans, 2)
    )


def _messages(message: bytes, number: int) -> list[bytes]:
    """The values of one length-delimited field."""
    return [value for found, value in _fields(message) if found == number]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Every field of a message, with its bytes; those of numbers are left out."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == LENGTH_DELIMITED:
            length, at = _varint(message, at)
            yield tag >> 3, message[at : at + length]
            at += length
        elif kind in FIXED:
            at += FIXED[kind]
        else:
            _, at = _varint(message, at)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


COUNTERS: dict[str, Callable[[bytes], int]] = {
    "/bc/v1/events/queue": json_events,
    "/ingestion.v1alpha.IngestionService/CollectEvents": align_events,
    "/batch/": batch_events,
    "/v1/batch": batch_events,
    "/v1/traces": otlp_spans,
}
"""What is posted where."""


def count(path: str, body: bytes, *, gzipped: bool) -> int:
    """The events of one request; 0 where nobody knows the path."""
    counter = COUNTERS.get(path.partition("?")[0])
    if counter is None:
        return 0
    return counter(gzip.decompress(body) if gzipped else body)
