"""Cuts a large file of JSON lines at line ends, so that several processes can read it at once.

A file can be cut if it is not packed and its records are whole conversations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import IO

import orjson
from attrs import frozen

from .documents import MAX_LINE, is_lines, line_records
from .model import Problem
from .shapes import AnyShape, Shape
from .shapes.openai_chat import is_export
from .sources import Source
from .unpacking import PEEK, Peeked, lines_of

LEAST = 4 * 1024 * 1024
"""Fewest bytes of a part."""
LOOKED_AT = 100
"""Lines at the beginning that have to be whole conversations."""
PIECE = 1024 * 1024


@frozen
class Part:
    """Some lines of a file.

    :param begin: the place of its first byte, and ``end`` that after its last one.
    :param first: the number of its first line, from 1.
    """

    path: str
    begin: int
    end: int
    first: int

    def __str__(self) -> str:
        return f"{self.path}:{self.first}"

    def source(self, file: IO[bytes]) -> Source:
        """The records of this part of the open file."""
        file.seek(self.begin)
        stream = Peeked(_Section(file, self.end - self.begin))
        records = line_records(lines_of(stream, MAX_LINE), self.first)
        return Source(self.path, Path(self.path).name.partition(".")[0], records, is_part=True)


def parts_of(path: str, count: int, shape_of: Callable[[object], AnyShape | None], least: int = LEAST) -> list[Part]:
    """Cut a file into so many parts, or fewer if it is small. One that cannot be cut has none.

    :param shape_of: finds the format of a record.
    """
    if not os.path.isfile(path):
        return []
    size = os.path.getsize(path)
    count = min(count, size // least)
    if count < 2:
        return []
    with open(path, "rb") as file:
        if not _is_cuttable(file, shape_of):
            return []
        cuts = sorted({0, size, *(_line_end(file, size * number // count) for number in range(1, count))})
        parts, first = [], 1
        for begin, end in pairwise(cuts):
            parts.append(Part(path, begin, end, first))
            first += _lines(file, begin, end)
    return parts


def _is_cuttable(file: IO[bytes], shape_of: Callable[[object], AnyShape | None]) -> bool:
    stream = Peeked(file)
    head = stream.peek(PEEK)
    if not head.startswith(b"{") or b"\0" in head[:4] or not is_lines(stream, head):
        return False
    records = islice(line_records(lines_of(stream, MAX_LINE)), LOOKED_AT)
    return all(isinstance(each, Problem) or isinstance(shape_of(each.value), Shape) for each in records)


def _line_end(file: IO[bytes], place: int) -> int:
    """The place after the line there, where no session of an export goes on. 0, a cut anyway, in a line too long."""
    file.seek(place)
    line = file.readline(MAX_LINE)
    while line.endswith(b"\n"):
        end = file.tell()
        line = file.readline(MAX_LINE)
        if not _goes_on(line):
            return end
    return 0


def _goes_on(line: bytes) -> bool:
    """Whether a line of an export belongs to the session of the line before it. Those have to be read in order."""
    if b'"session"' not in line:
        return False
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return is_export(record) and "timestamp" not in record["session"]


def _lines(file: IO[bytes], begin: int, end: int) -> int:
    file.seek(begin)
    count = 0
    while begin < end and (piece := file.read(min(PIECE, end - begin))):
        count += piece.count(b"\n")
        begin += len(piece)
    return count


class _Section:
    """So many bytes of a file."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file = file
        self._left = left

    def read(self, size: int) -> bytes:
        found = self._file.read(min(size, self._left))
        self._left -= len(found)
        return found
