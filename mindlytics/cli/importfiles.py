"""The files that ``mindlytics import`` names, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Union

from attrs import frozen

from ..transcripts import Problem, Summary, Transcript
from ..transcripts.columns import renamed
from ..transcripts.context import Options
from ..transcripts.detecting import detect, named
from ..transcripts.parts import Part
from ..transcripts.reader import one
from ..transcripts.shapes import AnyShape
from ..transcripts.sources import Source, inside, opened, sources

READ_AHEAD = 256 * 1024
"""Bytes that are read from a file at a time."""

STDIN = "-"

OpenFile = Union[IO[bytes], None]
"""The file that is read. None for one in a folder."""


@frozen
class Reading:
    """How files are read, as the options say. It crosses processes."""

    format: str | None
    options: Options
    strict: bool

    def shape_of(self, record: object) -> AnyShape | None:
        """The format of a record."""
        if self.format is not None:
            return named(self.format)
        return detect(renamed(record, self.options.names, Counter()))

    def absent_keys(self, summary: Summary) -> list[str]:
        """The keys of ``--map`` that no record had."""
        return [key for key in self.options.names.values() if not summary.renamed[key]]

    def items(self, file: str | Part, summary: Summary) -> Iterator[tuple[str, Transcript | Problem, OpenFile]]:
        """What a file, a folder or a part of a file comes to, each with its place and the open file."""
        shape = None if self.format is None else named(self.format)
        name = "<stdin>" if file == STDIN else str(file)
        try:
            for source, raw in _sources_of(file, name, self.options.names):
                for item in one(source, self.options, shape, self.strict, summary):
                    yield _place(source.path, item), item, raw
        except (OSError, EOFError) as error:
            problem = Problem(0, f"reading failed: {error}", "file")
            summary.add(problem)
            yield name, problem, None


def files_of(names: tuple[str, ...]) -> Iterator[str]:
    """The files that are named, and those in folders that are."""
    for each in names:
        if each != STDIN and Path(each).is_dir():
            yield from map(str, inside(Path(each)))
        else:
            yield each


def _sources_of(file: str | Part, name: str, names: Mapping[str, str]) -> Iterator[tuple[Source, OpenFile]]:
    if isinstance(file, Part):
        with open(file.path, "rb", buffering=READ_AHEAD) as raw:
            yield file.source(raw), raw
        return
    if file != STDIN and Path(file).is_dir():
        yield from ((source, None) for source in sources(file, names))
        return
    with open(0 if file == STDIN else file, "rb", buffering=READ_AHEAD, closefd=file != STDIN) as raw:
        yield from ((source, raw) for source in opened(raw, name, names))


def _place(name: str, item: Transcript | Problem) -> str:
    """The place of an item: the file, and the line or position in it."""
    record = item.record or item.where if isinstance(item, Problem) else item.where
    if isinstance(item, Problem) and record and item.reason.startswith(record):
        return name  # the reason names the place
    if record == f"line {item.line}":
        return f"{name}:{item.line}"
    return f"{name}: {record}" if record and record not in ("file", "end of file") else name
