"""What is read: a file, a folder, an archive with several, lines, dicts, or a table. Each is a series of records."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from attrs import Factory, frozen

from .context import Record
from .documents import MAX_DOCUMENT, encoded, line_record, parse, records_of
from .model import Problem
from .shapes import archives
from .shapes.pydantic_ai import is_message
from .tables import csv_records, is_csv, parquet_records
from .texts import is_chat, text_records
from .unpacking import FAULTS, FREE, MAX_RATIO, PARQUET, PEEK, ZIP, Damaged, Peeked, Stream, unpacked, unzipped

MAX_MEMBERS = 100_000
LOOKED_AT = 20
"""Lines at the beginning of a file that are looked at to see what it is."""
KINDS = {
    b"%PDF": "a PDF",
    b"<?xml": "XML",
    b"<!DOCTYPE": "HTML",
    b"<html": "HTML",
    b"SQLite format 3": "a database of SQLite",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
}


@frozen(eq=False)
class Source:
    """The records of one file, or of one archive.

    :param path: where it is, for words about it.
    :param name: the file's, without folder and suffix.
    :param records: what it holds, and what of it cannot be read.
    :param beside: what else is in the archive, by name.
    :param is_part: other parts of the file are read elsewhere.
    """

    path: str
    name: str
    records: Iterator[Record | Problem]
    beside: Mapping[str, object] = Factory(dict)
    is_part: bool = False


def sources(path: str | os.PathLike[str], names: Mapping[str, str] | None = None) -> Iterator[Source]:
    """The sources of a file or a folder; hidden files of a folder are passed over."""
    found = Path(path)
    if found.is_dir():
        for each in inside(found):
            yield from sources(each, names)
        return
    with found.open("rb") as file:
        yield from opened(file, str(path), names)


def inside(folder: Path) -> Iterator[Path]:
    """The files in a folder, but for hidden ones and those in hidden folders."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for each in (Path(place, name) for name in sorted(files) if not name.startswith(".")):
            if each.is_file():
                yield each


def opened(file: IO[bytes], path: str, names: Mapping[str, str] | None = None) -> Iterator[Source]:
    """The sources of an open file.

    :param names: what the usual columns of a table are called here.
    """
    names = names or {}
    name = Path(path).name.partition(".")[0]
    head = file.read(8)
    if file.seekable():
        file.seek(0)
        if head.startswith(ZIP):
            yield from _archive(file, path, name, names)
            return
        if head.startswith(PARQUET):
            yield Source(path, name, parquet_records(file))
            return
        yield Source(path, name, stream_records(file, names))
    else:
        yield Source(path, name, stream_records(_Rejoined(head, file), names))


class _Rejoined:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._head = head
        self._file = file

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        head, self._head = self._head, b""
        read = getattr(self._file, "read1", self._file.read)
        found: bytes = head or read(size)
        return found


def stream_records(file: Stream, names: Mapping[str, str]) -> Iterator[Record | Problem]:
    """The records of a stream of bytes: JSON, CSV or a chat as text, packed or not."""
    try:
        stream = unpacked(file)
        yield from _records(stream, names)
    except Damaged as error:
        yield Problem(0, str(error), "file")
        return
    except FAULTS as error:
        yield Problem(0, f"reading failed: {error}", "end of file")
        return
    if stream.fault is not None:
        yield Problem(0, f"reading failed: {stream.fault}", "end of file")


def _records(stream: Peeked, names: Mapping[str, str]) -> Iterator[Record | Problem]:
    head = stream.peek(PEEK)
    if head.startswith(ZIP) or head.startswith(PARQUET):
        raise Damaged("is an archive inside another one, which is not read: unpack it")
    start = head.lstrip(b" \t\r\n\x1e")[:1]
    if start in (b"{", b"["):
        if head.lstrip()[1:2].isdigit() and is_chat(head):
            yield from text_records(stream)
        else:
            yield from records_of(stream, is_message_list)
    elif is_chat(head):
        yield from text_records(stream)
    elif is_csv(head, names):
        yield from csv_records(stream)
    elif not stream.is_live and (guess := looks_like(head)):
        raise Damaged(f"is no file of transcripts: it looks like {guess}")
    else:
        yield from records_of(stream, is_message_list)


def looks_like(head: bytes) -> str:
    """What a file looks like of whose first lines none is JSON; empty where one is, or where there is nothing."""
    for mark, what in KINDS.items():
        if head.startswith(mark):
            return what
    if b"\0" in head[:1000]:
        return f"a binary file that begins with {head[:4].hex(' ')}"
    lines = [line for line in head.split(b"\n")[:LOOKED_AT] if line.strip()]
    for line in lines:
        try:
            parse(line)
        except ValueError:
            continue
        return ""
    return "plain text" if lines else ""


def is_message_list(value: object) -> bool:
    """Whether the first row of an array is a message, so that the array is one conversation."""
    if is_message(value):
        return True
    if not isinstance(value, dict) or any(
        key in value for key in ("messages", "conversation_id", "session_id", "object")
    ):
        return False
    if "role" in value:
        return any(key in value for key in ("content", "parts", "tool_calls", "blocks"))
    return isinstance(value.get("data"), dict) and value.get("type") in ("human", "ai", "system", "tool", "function")


def _archive(file: IO[bytes], path: str, name: str, names: Mapping[str, str]) -> Iterator[Source]:
    try:
        archive = zipfile.ZipFile(file)
        members = [each for each in archive.infolist() if not each.is_dir() and _is_wanted(each.filename)]
    except zipfile.BadZipFile:
        yield Source(
            path, name, iter([Problem(0, "is a zip that cannot be read: it is damaged, or its end is missing", "file")])
        )
        return
    except FAULTS as error:
        yield Source(path, name, iter([Problem(0, f"is a zip that cannot be read: {error}", "file")]))
        return
    if len(members) > MAX_MEMBERS:
        yield Source(path, name, iter([Problem(0, f"has more than {MAX_MEMBERS} files in it", "file")]))
        return
    whole = archives.exported(archive, members)
    if whole is not None:
        beside, chosen, records = whole
        if records is not None:
            yield Source(path, name, records, beside)
            return
        members = chosen
    else:
        beside = {}
    for member in members:
        records = _member(archive, member, names)
        inside = f"{path}/{member.filename}"
        stem = Path(member.filename).name.partition(".")[0]
        yield Source(inside, stem, records, beside)


def _is_wanted(name: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, names: Mapping[str, str]) -> Iterator[Record | Problem]:
    try:
        if member.flag_bits & 1:
            yield Problem(0, "is encrypted", member.filename)
            return
        if member.file_size > max(FREE, MAX_RATIO * member.compress_size):
            yield Problem(0, f"unpacks to over {MAX_RATIO} times its size", member.filename)
            return
        with unzipped(archive, member) as file:
            if file.read(4) == PARQUET:
                yield from parquet_records(io.BytesIO(PARQUET + file.read(MAX_DOCUMENT)))
                return
        with unzipped(archive, member) as file:
            yield from stream_records(file, names)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, *FAULTS) as error:
        yield Problem(0, f"reading failed: {error}", member.filename)


def rows_of(rows: Iterable[object]) -> Iterator[Record | Problem]:
    """Dicts and lines of JSON as records."""
    for number, row in enumerate(rows, 1):
        if isinstance(row, Mapping):
            yield Record(dict(row), number, f"row {number}")
        elif isinstance(row, (str, bytes)):
            yield from line_record(encoded(row), number)
        else:
            yield Record(row, number, f"row {number}")
