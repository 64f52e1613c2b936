"""Rows as tables of pyarrow, pandas and polars, where these are installed. Maps become JSON text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import orjson
from attrs import fields

from ..errors import MindlyticsError
from .rows import Row

if TYPE_CHECKING:
    import pyarrow

ROWS = 10_000
CHARACTERS = 16 * 1024 * 1024
"""A batch has so many rows, or so many characters of text, at most."""

_TYPES = {
    "str": "string",
    "datetime": "timestamp",
    "int": "int64",
    "float": "float64",
    "Mapping[str, Scalar]": "string",
}


class MissingLibrary(MindlyticsError, ImportError):
    """A library that is needed is not installed. The message says how to install it."""


def plain(row: Row) -> dict[str, object]:
    """The fields of a row. Maps become JSON text."""
    found: dict[str, object] = {}
    for attribute in fields(type(row)):
        value = getattr(row, attribute.name)
        found[attribute.name] = orjson.dumps(value).decode() if isinstance(value, Mapping) else value
    return found


def library(name: str, package: str = "") -> ModuleType:
    """A library, imported.

    :raises MissingLibrary: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise MissingLibrary(f"{name} is not installed: pip install {package or name}") from None


class Batches:
    """Collects rows of one table into batches of bounded size."""

    def __init__(self, kind: type[Row]) -> None:
        self.schema = schema(kind)
        self._rows: list[dict[str, object]] = []
        self._size = 0

    def add(self, rows: Iterable[Row]) -> Iterator[pyarrow.RecordBatch]:
        """Add rows. Yields the batches that are full."""
        for row in rows:
            values = plain(row)
            self._rows.append(values)
            self._size += sum(len(value) for value in values.values() if isinstance(value, str))
            if len(self._rows) >= ROWS or self._size >= CHARACTERS:
                yield from self.rest()

    def rest(self) -> Iterator[pyarrow.RecordBatch]:
        """Yield what is left, if anything is."""
        if self._rows:
            import pyarrow  # noqa: PLC0415

            yield pyarrow.RecordBatch.from_pylist(self._rows, self.schema)
            self._rows, self._size = [], 0


def schema(kind: type[Row]) -> pyarrow.Schema:
    """The columns of a table.

    :raises MissingLibrary: pyarrow is not installed.
    """
    pyarrow = library("pyarrow", "'mindlytics[import]'")
    columns = []
    for attribute in fields(kind):
        name, _, optional = str(attribute.type).partition(" | ")
        arrow = pyarrow.timestamp("us", "UTC") if name == "datetime" else getattr(pyarrow, _TYPES[name])()
        columns.append(pyarrow.field(attribute.name, arrow, nullable=bool(optional)))
    return pyarrow.schema(columns)


def to_arrow(kind: type[Row], rows: Iterable[Row]) -> pyarrow.Table:
    """A table of rows.

    :raises MissingLibrary: pyarrow is not installed.
    """
    batches = Batches(kind)
    import pyarrow  # noqa: PLC0415

    return pyarrow.Table.from_batches([*batches.add(rows), *batches.rest()], batches.schema)
