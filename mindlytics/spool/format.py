"""The format of a log, version 1, as a mapping to bytes without files.

A log is a series of chunks. A chunk is a head and a payload, written at once. Its checksum detects incomplete and
altered chunks. It also depends on the run, so chunks of other runs never match. A reader skips damage up to the
next valid chunk.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

VERSION = 1
NAME = b"MLS"
MAGIC = NAME + bytes([VERSION])

EVENTS = 1
"""Payload: the events. ``first`` and ``count`` number them within the run, from 1."""
POSTED = 2
"""The events from ``first`` on, ``count`` of them, are about to be posted as one batch. Payload: its form and key."""
SETTLED = 3
"""All events up to ``first`` are settled. Payload: the number of the last event before this chunk."""

HEAD = struct.Struct("<4sIB3xIQdI")
"""Magic and version, checksum of all that follows it, kind, count, first, seconds since the epoch, payload's bytes."""
CHECKSUM = 4
"""Bytes of the checksum."""
CHECKED = len(MAGIC) + CHECKSUM
"""The offset in a chunk from which the checksum covers it."""
_RECORD = struct.Struct("<IQQ")
_NUMBER = struct.Struct("<Q")

RECORD_OVERHEAD = _RECORD.size

Record = tuple[int, int, bytes]
"""An event on disk: its account's number and its own in the recording process, and its bytes."""


class Chunk(NamedTuple):
    """A chunk that was read, with its number of events and the place of the next one."""

    kind: int
    size: int
    first: int
    wall: float
    payload: bytes
    end: int


def seed_of(run: str) -> int:
    """The initial value of checksums in the run of that name."""
    return zlib.crc32(run.encode())


def chunk(seed: int, kind: int, first: int, count: int, *, wall: float, payload: bytes) -> bytes:
    """A chunk as bytes."""
    head = HEAD.pack(MAGIC, 0, kind, count, first, wall, len(payload))[CHECKED:]
    checksum = zlib.crc32(payload, zlib.crc32(head, seed))
    return b"".join((MAGIC, checksum.to_bytes(CHECKSUM, "little"), head, payload))


def events(records: Iterable[Record]) -> bytes:
    """The payload of a chunk of events."""
    pack = _RECORD.pack
    return b"".join([piece for account, number, data in records for piece in (pack(len(data), account, number), data)])


def records(payload: bytes) -> Iterator[Record]:
    """The events of a chunk."""
    at = 0
    while at < len(payload):
        length, account, number = _RECORD.unpack_from(payload, at)
        at += _RECORD.size
        yield account, number, payload[at : at + length]
        at += length


def posted(seed: int, first: int, count: int, wall: float, key: str, *, bare: bool) -> bytes:
    """The chunk to write before a batch is posted."""
    return chunk(seed, POSTED, first, count, wall=wall, payload=bytes([bare]) + key.encode())


def read_posted(payload: bytes) -> tuple[str, bool]:
    """The key of such a batch, and whether it is a bare object."""
    return payload[1:].decode(), bool(payload[0])


def settled(seed: int, up_to: int, last: int, wall: float) -> bytes:
    """The chunk that says up to where events are settled, and how many there are."""
    return chunk(seed, SETTLED, up_to, 0, wall=wall, payload=_NUMBER.pack(last))


def read_settled(payload: bytes) -> int:
    """The number of the last event before such a chunk."""
    last: int = _NUMBER.unpack(payload)[0]
    return last


def size_of(data: bytes) -> int:
    """How many bytes the chunk has whose first bytes these are, as its head says, or 0 if that is damaged."""
    if not data.startswith(MAGIC) or len(data) < HEAD.size:
        return 0
    length: int = HEAD.unpack_from(data)[-1]
    return HEAD.size + length


def read_at(data: bytes, at: int, seed: int) -> Chunk | None:
    """The chunk that begins there, or None if there is no valid one."""
    if not data.startswith(MAGIC, at) or len(data) - at < HEAD.size:
        return None
    _, checksum, kind, count, first, wall, length = HEAD.unpack_from(data, at)
    begin = at + HEAD.size
    end = begin + length
    if end > len(data):
        return None
    payload = data[begin:end]
    if checksum != zlib.crc32(payload, zlib.crc32(data[at + CHECKED : begin], seed)):
        return None
    return Chunk(kind, count, first, wall, payload, end)


def read_from(data: bytes, at: int, seed: int) -> Chunk | None:
    """The first valid chunk that begins there or later."""
    while at >= 0:
        found = read_at(data, at, seed)
        if found is not None:
            return found
        at = data.find(MAGIC, at + 1)
    return None


def chunks(data: bytes, seed: int) -> Iterator[Chunk]:
    """All valid chunks."""
    at = 0
    while (found := read_from(data, at, seed)) is not None:
        yield found
        at = found.end


def is_of_another_version(data: bytes, seed: int) -> bool:
    """Whether a segment was written by another version, whose seeds are others, rather than damaged."""
    if not data.startswith(NAME) or data.startswith(MAGIC) or len(data) < len(MAGIC):
        return False
    return read_from(MAGIC + data[len(MAGIC) :], 0, seed) is None
