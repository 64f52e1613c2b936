"""Exports as files: JSON lines, CSV and Parquet, in one file or in a directory with a part for each day.

A file gets its name when it is whole. Until then it is beside its place under another name.
"""

from __future__ import annotations

import os
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import IO

import orjson
from attrs import fields

from .frames import Batches, plain
from .lines import Line
from .rows import TABLES, Row, by_session, rows_of

FORMATS = ("jsonl", "csv", "parquet")

_unfinished: set[Path] = set()
"""Files and directories that this process is writing."""


class Writer(ABC):
    """Writes what sessions come to into one file."""

    @abstractmethod
    def add(self, lines: list[Line], rows: Mapping[type[Row], list[Row]]) -> None:
        """Add a session."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


class LinesWriter(Writer):
    """Writes JSON lines."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, lines: list[Line], rows: Mapping[type[Row], list[Row]]) -> None:
        for line in lines:
            self._file.write(orjson.dumps(line, None, orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        self._file.flush()


class CSVWriter(Writer):
    """Writes the rows of one table as CSV. Texts are quoted, and what is missing is empty."""

    def __init__(self, file: IO[bytes], kind: type[Row]) -> None:
        self._file = file
        self._kind = kind
        names = [attribute.name for attribute in fields(kind)]
        file.write((",".join(names) + "\r\n").encode())

    def add(self, lines: list[Line], rows: Mapping[type[Row], list[Row]]) -> None:
        for row in rows[self._kind]:
            self._file.write((",".join(map(_cell, plain(row).values())) + "\r\n").encode())

    def close(self) -> None:
        self._file.flush()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return repr(value)


class ParquetWriter(Writer):
    """Writes the rows of one table as Parquet."""

    def __init__(self, file: IO[bytes], kind: type[Row]) -> None:
        import pyarrow.parquet  # noqa: PLC0415  takes a while to import

        self._kind = kind
        self._batches = Batches(kind)
        self._writer = pyarrow.parquet.ParquetWriter(file, self._batches.schema, compression="zstd")

    def add(self, lines: list[Line], rows: Mapping[type[Row], list[Row]]) -> None:
        for batch in self._batches.add(rows[self._kind]):
            self._writer.write_batch(batch)

    def close(self) -> None:
        for batch in self._batches.rest():
            self._writer.write_batch(batch)
        self._writer.close()


def writer(format: str, table: str, file: IO[bytes]) -> Writer:
    """What writes a format.

    :param table: the name of the table, for CSV and Parquet.
    """
    if format == "jsonl":
        return LinesWriter(file)
    return (CSVWriter if format == "csv" else ParquetWriter)(file, TABLES[table])


def write(lines: Iterable[Line], format: str, table: str, file: IO[bytes]) -> int:
    """Write all lines into a file that is open. Returns the number of sessions."""
    count = 0
    with closing(writer(format, table, file)) as into:
        for session, rows in _sessions(lines, with_rows=format != "jsonl"):
            into.add(session, rows)
            count += 1
    return count


def write_file(lines: Iterable[Line], format: str, table: str, path: Path) -> int:
    """Write all lines into a file, which gets its name when it is whole. Returns the number of sessions.

    A link stays and leads to the new file. A pipe or a device is written to as it is.

    :raises OSError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        with open(path, "wb") as file:
            return write(lines, format, table, file)
    path = path.resolve()
    with _beside(path.parent, f".{path.name}.") as unfinished:
        with open(unfinished, "xb", opener=_private) as file:
            count = write(lines, format, table, file)
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    return count


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _beside(directory: Path, prefix: str) -> Iterator[Path]:
    """A name in a directory. What has it at the end of the block is removed."""
    path = directory / f"{prefix}{secrets.token_hex(4)}"
    _unfinished.add(path)
    try:
        yield path
    finally:
        _remove(path)
        _unfinished.discard(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_unfinished() -> None:
    """Remove what is being written, since the program ends at once."""
    for path in list(_unfinished):
        _remove(path)


def write_directory(lines: Iterable[Line], format: str, directory: Path) -> int:
    """Write all lines into files of a directory, one for each day on which sessions started, in UTC.

    The files are ``TABLE/day=2025-04-03/part.parquet``, and for JSON lines ``day=2025-04-03/part.jsonl``. They replace
    those of an earlier export, day by day, once all are whole. Returns the number of sessions.

    :raises OSError: they cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _beside(directory, ".export-") as unfinished:
        unfinished.mkdir(0o700)
        count = _write_days(lines, format, unfinished)
        for path in sorted(path for path in unfinished.rglob("*") if path.is_file()):
            place = directory / path.relative_to(unfinished)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
    return count


def _write_days(lines: Iterable[Line], format: str, directory: Path) -> int:
    """Write a file for each day. Sessions come in order of time, so only those of one day are open."""
    count = 0
    with ExitStack() as stack:
        days = groupby(_sessions(lines, with_rows=format != "jsonl"), lambda session: _day(session[0]))
        for day, sessions in days:
            writers = []
            for table in [""] if format == "jsonl" else TABLES:
                place = directory / table / f"day={day}"
                place.mkdir(parents=True)
                file = stack.enter_context(open(place / f"part.{format}", "wb"))
                writers.append(stack.enter_context(closing(writer(format, table, file))))
            for session, rows in sessions:
                count += 1
                for into in writers:
                    into.add(session, rows)
            stack.close()
    return count


def _day(session: list[Line]) -> str:
    return session[0]["session"]["timestamp"][:10]


def _sessions(lines: Iterable[Line], *, with_rows: bool) -> Iterator[tuple[list[Line], Mapping[type[Row], list[Row]]]]:
    for session in by_session(lines):
        rows: dict[type[Row], list[Row]] = {kind: [] for kind in TABLES.values()}
        if with_rows:
            for row in rows_of(session):
                rows[type(row)].append(row)
        yield session, rows
