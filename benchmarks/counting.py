"""How many events a body holds, in the encoding of each SDK. Called after what is timed, never during it."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator

LENGTH_DELIMITED = 2
FIXED = {1: 8, 5: 4}
"""Protobuf wire types of a fixed length, in bytes."""

POSTED_RUN = re.compile(rb'; name="post\.[0-9a-f-]{36}"')
MSGPACK_LENGTHS = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4}
"""MessagePack's types of long strings and arrays, and the bytes that their length takes."""


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


def multipart_runs(body: bytes) -> int:
    """A part of its own for each run, named ``post.`` and its id; further parts are named after its fields."""
    return len(POSTED_RUN.findall(body))


def datadog_spans(body: bytes) -> int:
    """MessagePack, version 0.5: a table of all strings, then the traces, each of one span here."""
    strings, at = _msgpack_length(body, 1)
    for _ in range(strings):
        length, at = _msgpack_length(body, at)
        at += length
    return _msgpack_length(body, at)[0]


def _msgpack_length(body: bytes, at: int) -> tuple[int, int]:
    """The length of the array or string that begins there, and where its first item or byte is."""
    kind = body[at]
    if kind in MSGPACK_LENGTHS:
        end = at + 1 + MSGPACK_LENGTHS[kind]
        return int.from_bytes(body[at + 1 : end], "big"), end
    return kind & (0x1F if kind >= 0xA0 else 0x0F), at + 1


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
    "/v0.5/traces": datadog_spans,
    "/runs/multipart": multipart_runs,
}
"""What is posted where."""


def count(path: str, body: bytes, *, gzipped: bool) -> int:
    """The events of one request; 0 for an unknown path."""
    counter = COUNTERS.get(path.partition("?")[0])
    if counter is None:
        return 0
    return counter(gzip.decompress(body) if gzipped else body)
