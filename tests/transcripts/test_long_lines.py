"""A line as long as memory, which no transcript is. This takes long, so it runs on one version of Python."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from mindlytics.transcripts import Problem, Summary, Transcript
from mindlytics.transcripts.context import Options
from mindlytics.transcripts.reader import one
from mindlytics.transcripts.sources import opened

MIB = 1024 * 1024


class Endless(io.RawIOBase):
    """So many bytes that are made when they are read."""

    def __init__(self, head: bytes, piece: bytes, size: int) -> None:
        self._head = head
        self._piece = piece
        self._left = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int | None = -1) -> bytes:
        if self._head:
            found, self._head = self._head[:size], self._head[size:] if size else b""
            return found
        found = self._piece[: max(0, min(len(self._piece), self._left))]
        self._left -= len(found)
        return found

    read1 = read


def items(stream: Any) -> Iterator[Transcript | Problem]:
    for source in opened(stream, "x"):
        yield from one(source, Options(), None, False, Summary())


@pytest.mark.parametrize("head", [b'{"messages": "', b'["', b"x", b'[{"messages": "', b'{"a": [[[' * 1000])
def test_a_line_of_a_gibibyte_is_one_problem_and_takes_little_memory(head: bytes) -> None:
    tracemalloc.start()
    try:
        found = list(items(Endless(head, b"x" * MIB, 1024 * MIB)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [Problem] == [type(item) for item in found]
    assert 300 * MIB > peak
