"""Tables: CSV in any of the usual dialects, and Parquet. Each row becomes a dict; ``shapes/rows.py`` reads them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from typing import IO

from ..annotations import Self
from .columns import is_table
from .context import Record
from .model import Problem
from .unpacking import Damaged, Peeked, lines_of

DELIMITERS = ",;\t|"
MAX_CELL = 16 * 1024 * 1024
_DATE = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{2,4})(.*)", re.DOTALL)


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=line.count)


def is_csv(head: bytes, names: Mapping[str, str]) -> bool:
    """Whether the first line is the header of a table of messages or turns."""
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace")
    try:
        return is_table(_names(line), names)
    except csv.Error:  # a line that is too long for a header
        return False


def _names(line: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line.strip("\r\n")], delimiter=_delimiter(line)), [])]


class _Lines:
    """The lines of a table. Those of the row that is being read can be read again."""

    def __init__(self, stream: Peeked) -> None:
        self._lines = lines_of(stream, MAX_CELL)
        self._row: list[str] = []
        self._again: list[str] = []
        self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.pop()
        else:
            found = next(self._lines, None)
            if found is None:
                self._is_over = True
                raise StopIteration
            if len(found) > MAX_CELL:
                raise csv.Error(f"a line is longer than {MAX_CELL} bytes")
            line = f"{_decoded(found)}\n"
        self._row.append(line)
        return line

    def next_row(self) -> None:
        """Forget the lines of the row before."""
        self._row.clear()

    @property
    def is_open(self) -> bool:
        """Whether the table ended within a row."""
        return self._is_over and bool(self._row)

    def back(self) -> None:
        """Go back to the second line of the row."""
        self._again += reversed(self._row[1:])
        self._is_over = False


def _decoded(line: bytes) -> str:
    """A line of UTF-8, or of Windows' letters if it is not UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def _rows(stream: Peeked, delimiter: str) -> Iterator[list[str] | str]:
    """The rows of a table, or why there is none. A row that cannot be read costs its first line."""
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.next_row()
        try:
            row: list[str] | str | None = next(reader, None)
        except csv.Error as error:
            row = f"is no CSV that can be read: {error}"
        if row is not None and lines.is_open:
            row = "begins a quote that does not end"
        if isinstance(row, str):
            lines.back()
            reader = csv.reader(lines, delimiter=delimiter)
        if row is None:
            return
        if row:
            yield row


def csv_records(stream: Peeked) -> Iterator[Record | Problem]:
    """The rows of a CSV file."""
    first = stream.peek().split(b"\n", 1)[0].decode("utf-8", "replace")
    csv.field_size_limit(MAX_CELL)
    names: list[str] | None = None
    for number, row in enumerate(_rows(stream, _delimiter(first))):
        place = f"row {number}"
        if isinstance(row, str):
            yield Problem(number, row, place)
        elif names is None:
            names = [name.strip().lstrip("\ufeff") for name in row]
            for name in {each for each in names if each and names.count(each) > 1}:
                yield Problem(0, f"has several columns {name[:30]!r}, of which only the last is read", "header")
        elif len(row) < len(names) or any(row[len(names) :]):
            yield Problem(number, f"has {len(row)} cells, and the header has {len(names)}", place)
        else:
            yield Record(dict(zip(names, row, strict=False)), number, place)


def parquet_records(file: IO[bytes]) -> Iterator[Record | Problem]:
    """The rows of a Parquet file."""
    try:
        from pyarrow import parquet  # noqa: PLC0415  of an extra
    except ImportError:
        raise Damaged("is a Parquet file: install 'mindlytics[import]'") from None
    number = 0
    try:
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=1000):
            for row in batch.to_pylist(maps_as_pydicts="lossy"):
                number += 1
                yield Record({name: _present(value) for name, value in row.items()}, number, f"row {number}")
    except Exception as error:  # pyarrow raises many things
        yield Problem(0, f"reading failed: {type(error).__name__}", f"row {number + 1}")


def _present(value: object) -> object:
    """A value of a column: in what is nested, a null is a key that is not there."""
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list) else value


def is_day_first(text: str) -> bool:
    """Whether it is a date that names the day first for sure: by its dots, or by a number above 12."""
    match = _DATE.fullmatch(text.strip())
    return match is not None and ("." in match[0][:4] or int(match[1]) > 12)


def iso(text: str, day_first: bool) -> str:
    """A date such as 03.02.2026 or 02/13/2026 as ISO 8601. Any other text stays as it is."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return text
    day, month = (match[1], match[2]) if day_first else (match[2], match[1])
    year = match[3] if len(match[3]) == 4 else f"20{match[3]}"
    return f"{year}-{month:0>2}-{day:0>2}{match[4]}"


def number_of(text: object) -> object:
    """A number where a text is one, with a decimal comma too."""
    if not isinstance(text, str):
        return text
    for value in (text, text.replace(",", ".")):
        try:
            return int(value)
        except ValueError:
            try:
                return float(value)
            except ValueError:
                continue
    return text
