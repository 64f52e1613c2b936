"""What a shape knows beside a record: the options, and where to report what is left out or wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, tzinfo

from attrs import Factory, define, frozen

from ..errors import InvalidEvent
from ..values import UTC
from .fields import JsonObject, an_object
from .model import Problem
from .times import read_time

MALFORMED = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""What reading a record raises that has another form than those of its format."""


def malformed(error: Exception) -> str:
    """What is wrong with such a record, without quoting it."""
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return f"does not have the form of its format ({type(error).__name__})"


@frozen
class Options:
    """How files are to be read.

    :param timezone: of times without an offset.
    :param assistant: who of several people is the assistant.
    :param gap_hours: a chat without an end is cut where nobody spoke for so long.
    :param names: what the usual keys are called in these files.
    :param branches: each path of a conversation that branches is a conversation of its own.
    """

    timezone: tzinfo = UTC
    assistant: str | None = None
    gap_hours: float | None = None
    names: Mapping[str, str] = {}
    branches: bool = False


@frozen(eq=False)
class Record:
    """One value of a file, and its place.

    :param number: from 1 in lines and rows, as in ``line``.
    :param place: in words: ``line 4``, ``[4]``, ``row 4``.
    :param between: what stands between this and a field: ``": "`` or ``"."``.
    """

    value: object
    number: int = 0
    place: str = ""
    between: str = ": "

    @property
    def fields(self) -> JsonObject:
        """What it holds.

        :raises InvalidEvent: it is no JSON object.
        """
        return an_object("", self.value)

    def where(self, field: str = "") -> str:
        """The place of a field."""
        between = self.between if self.place and field else ""
        return f"{self.place}{between}{field}"


@define(eq=False)
class Context:
    """Goes along with the reading of one file.

    :param name: the file's, without its folder and suffix.
    :param beside: other files of the same archive, read: ``user.json``.
    :param is_part: other parts of the file are read elsewhere.
    """

    options: Options = Options()
    name: str = ""
    beside: Mapping[str, object] = Factory(dict)
    is_part: bool = False
    problems: list[Problem] = Factory(list)
    left: Counter[str] = Factory(Counter)
    missed: Counter[str] = Factory(Counter)
    renamed: Counter[str] = Factory(Counter)
    record: Record = Record(None)
    day_first: bool = False
    """A date of this file names the day first for sure, so all do."""

    def leave(self, kind: str) -> None:
        """Count something that nobody said, such as an image."""
        self.left[kind] += 1

    def unread(self, kind: str) -> None:
        """Count something that is not known. With ``strict`` it is an error."""
        self.missed[kind] += 1

    def report(self, error: ValueError | str, field: str = "") -> None:
        """Report a problem of the present record."""
        if isinstance(error, InvalidEvent) and not field:
            field = error.field
        record = self.record
        problem = Problem(record.number, str(error).lstrip(), record.where(field), record.place)
        if problem not in self.problems:  # a message may be on several branches
            self.problems.append(problem)

    @contextmanager
    def part(self) -> Iterator[None]:
        """What is wrong here costs this part of the record, and no more."""
        try:
            yield
        except InvalidEvent as error:
            self.report(error)
        except MALFORMED as error:
            self.report(malformed(error))

    def time(self, name: str, value: object) -> datetime | None:
        """The time that a value names.

        :raises InvalidEvent: it names none.
        """
        return read_time(name, value, self.options.timezone)
