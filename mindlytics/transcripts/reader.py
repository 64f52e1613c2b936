"""Reads whatever it gets, and counts what it comes to."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from itertools import chain
from math import isnan
from typing import Any, TypedDict, Union

from attrs import Factory, define, fields

from ..pydantic_names import PydanticNames
from ..values import UTC
from .context import Context, Options, Record
from .detecting import Plugged, named, plugged
from .documents import encoded, line_records
from .model import Problem, Transcript
from .reading import conversations
from .shapes import AnyShape
from .sources import Source, rows_of, sources

Given = Union[str, "os.PathLike[str]", Iterable[object]]


@define
class Summary(PydanticNames):
    """What a reading has come to so far.

    :param stored_before: conversations that the file of ``resume`` names.
    :param delivered: events that the service took; ``refused`` are those that it did not.
    :param dropped: events that were not sent, since the import was stopped.
    :param stopped: the first place that is not stored, where the import was stopped.
    :param records: lines, rows or other records that were read, those with problems included.
    :param shapes: conversations by the name of their format.
    :param left_out: what is known and was not said, by its kind: images, system messages, thinking.
    :param unread: what is not known, by its kind: parts, keys.
    :param renamed: how many objects had each key that ``names`` renames.
    """

    conversations: int = 0
    turns: int = 0
    calls: int = 0
    feedback: int = 0
    problems: int = 0
    records: int = 0
    stored_before: int = 0
    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    stopped: str = ""
    shapes: Counter[str] = Factory(Counter)
    left_out: Counter[str] = Factory(Counter)
    unread: Counter[str] = Factory(Counter)
    renamed: Counter[str] = Factory(Counter)

    def __iadd__(self, other: Summary) -> Summary:
        """Add what another reading came to."""
        for attribute in fields(Summary):
            name = attribute.name
            if name != "stopped":
                setattr(self, name, getattr(self, name) + getattr(other, name))
        self.stopped = self.stopped or other.stopped
        return self

    def add(self, item: Transcript | Problem) -> None:
        """Count a conversation or a problem."""
        if isinstance(item, Problem):
            self.problems += 1
            return
        self.conversations += 1
        self.turns += item.turns
        self.calls += item.calls
        self.feedback += len(item.feedback)
        self.shapes[item.shape] += 1


class ReadOptions(TypedDict, total=False):
    """The options of :func:`read`, beside the format."""

    timezone: tzinfo
    assistant: str | None
    gap_hours: float | None
    names: Mapping[str, str] | None
    strict: bool
    branches: bool
    summary: Summary | None


def read(
    source: Given,
    format: str | Callable[[Any], Plugged] | None = None,
    *,
    timezone: tzinfo = UTC,
    assistant: str | None = None,
    gap_hours: float | None = None,
    names: Mapping[str, str] | None = None,
    strict: bool = False,
    branches: bool = False,
    summary: Summary | None = None,
) -> Iterator[Transcript | Problem]:
    """Read conversations, one at a time.

    :param source: the path of a file or a folder, lines of JSON, dicts, or a DataFrame of pandas, polars or pyarrow.
    :param format: a format's name, ``package.module:function``, or a function that makes a record of the project's own
        format of each of the file's; default: each record is looked at.
    :param timezone: of times without an offset.
    :param assistant: who of several people is the assistant, where the file does not say.
    :param gap_hours: a chat without an end is cut where nobody spoke for so long.
    :param names: what the usual keys are called in these records: ``{"role": "speaker", "content": "utterance"}``.
    :param strict: parts and keys that are not known are problems.
    :param branches: of a conversation that branches, each path is a conversation. Default: only the one seen last.
    :param summary: is counted up on the way.
    :raises ValueError: there is no such format.
    """
    options = Options(timezone, assistant, gap_hours, names or {}, branches)
    shape = named(format) if isinstance(format, str) else plugged(format) if format is not None else None
    return _read(_sources(source, options.names), options, shape, strict, Summary() if summary is None else summary)


def _sources(source: Given, names: Mapping[str, str]) -> Iterator[Source]:
    if isinstance(source, (str, os.PathLike)):
        return sources(source, names)
    return iter([Source("", "", _items(source))])


def _items(source: Iterable[object]) -> Iterator[Record | Problem]:
    iterator = iter(_rows(source))
    first = next(iterator, None)
    if first is None:
        return iter(())
    rows = chain([first], iterator)
    return line_records(map(encoded, rows)) if isinstance(first, (str, bytes)) else rows_of(rows)


def _rows(source: Any) -> Iterable[Any]:
    """The rows of a table of any of these libraries. None of them has to be installed."""
    rows: Iterable[Any]
    if hasattr(source, "iter_rows"):  # polars
        rows = source.iter_rows(named=True)
        return rows
    if hasattr(source, "itertuples"):  # pandas
        names = list(map(str, source.columns))
        return (dict(zip(names, map(_known, row), strict=True)) for row in source.itertuples(index=False, name=None))
    if hasattr(source, "to_batches"):  # pyarrow
        return (row for batch in source.to_batches() for row in batch.to_pylist())
    rows = source
    return rows


def _known(value: object) -> object:
    """A value of a frame; None where it is missing."""
    is_missing = type(value).__name__ in ("NaTType", "NAType") or (isinstance(value, float) and isnan(value))
    return None if is_missing else value


def _read(
    found: Iterator[Source], options: Options, shape: AnyShape | None, strict: bool, summary: Summary
) -> Iterator[Transcript | Problem]:
    for source in found:
        yield from one(source, options, shape, strict, summary)


def one(
    source: Source, options: Options, shape: AnyShape | None, strict: bool, summary: Summary
) -> Iterator[Transcript | Problem]:
    """What one source comes to."""
    before = summary.unread.copy()
    context = Context(
        options,
        source.name,
        source.beside,
        is_part=source.is_part,
        left=summary.left_out,
        missed=summary.unread,
        renamed=summary.renamed,
    )
    for item in conversations(_counted(source.records, summary), context, shape):
        summary.add(item)
        yield item
    if strict:
        for kind, times in (summary.unread - before).items():
            problem = Problem(0, f"is not read, {times} times: {kind}", "")
            summary.add(problem)
            yield problem


def _counted(records: Iterable[Record | Problem], summary: Summary) -> Iterator[Record | Problem]:
    for record in records:
        summary.records += 1
        yield record
