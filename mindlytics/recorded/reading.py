"""``read``: a server or a database as rows, and as data frames where pandas, polars or pyarrow are installed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from .frames import library, to_arrow
from .html import table
from .lines import Line
from .rows import TABLES, CallRow, ConversationRow, EventRow, Row, SessionRow, TurnRow, by_session, rows_of
from .source import Filters, Place, Source, Time, source_at

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

R = TypeVar("R", bound=Row)

SHOWN = 20
"""Rows that a notebook shows."""


class Rows(Generic[R]):
    """Rows of one kind, which are fetched while you iterate over them. Each ``for`` begins anew.

    In a notebook, they show as a table.
    """

    def __init__(self, source: Source, wanted: Filters, kind: type[R]) -> None:
        self._source = source
        self._wanted = wanted
        self._kind = kind
        self._going: Iterator[R] | None = None

    def __iter__(self) -> Iterator[R]:
        for lines in by_session(self._source.lines(self._wanted)):
            for row in rows_of(lines):
                if isinstance(row, self._kind):
                    yield row

    def __next__(self) -> R:
        if self._going is None:
            self._going = iter(self)
        return next(self._going)

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a table of pyarrow. Maps are JSON text.

        :raises MissingLibrary: pyarrow is not installed.
        """
        return to_arrow(self._kind, self)

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a DataFrame of pandas. Maps are JSON text.

        :raises MissingLibrary: pandas or pyarrow is not installed.
        """
        library("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """All rows as a DataFrame of polars. Maps are JSON text.

        :raises MissingLibrary: polars or pyarrow is not installed.
        """
        return cast("polars.DataFrame", library("polars").from_arrow(self.to_arrow()))

    def __repr__(self) -> str:
        return f"<{self._name} of {self._source.name}>"

    def _repr_html_(self) -> str:
        rows = list(islice(self, SHOWN + 1))
        caption = f"the first {SHOWN} {self._name}" if len(rows) > SHOWN else f"{len(rows)} {self._name}"
        return table(f"{caption} of {self._source.name}", self._kind, rows[:SHOWN])

    @property
    def _name(self) -> str:
        return next(name for name, kind in TABLES.items() if kind is self._kind)


class Archive:
    """What is recorded at a place, within the filters of :func:`read`.

    Each method takes the same filters, which replace those. A session's start decides: its conversations, turns, calls
    and events belong to it.
    """

    def __init__(self, source: Source, wanted: Filters) -> None:
        self._source = source
        self._wanted = wanted

    def sessions(
        self, *, since: Time | None = None, until: Time | None = None, user: str | None = None
    ) -> Rows[SessionRow]:
        """The sessions, by the time of their start."""
        return self._rows(SessionRow, since, until, user)

    def conversations(
        self, *, since: Time | None = None, until: Time | None = None, user: str | None = None
    ) -> Rows[ConversationRow]:
        """The conversations, with what the analysis found."""
        return self._rows(ConversationRow, since, until, user)

    def turns(self, *, since: Time | None = None, until: Time | None = None, user: str | None = None) -> Rows[TurnRow]:
        """The turns, by session and conversation, in order of time."""
        return self._rows(TurnRow, since, until, user)

    def calls(self, *, since: Time | None = None, until: Time | None = None, user: str | None = None) -> Rows[CallRow]:
        """The function calls, by session and conversation, in order of time."""
        return self._rows(CallRow, since, until, user)

    def events(
        self, *, since: Time | None = None, until: Time | None = None, user: str | None = None
    ) -> Rows[EventRow]:
        """All other events of the application, feedback included."""
        return self._rows(EventRow, since, until, user)

    def lines(self, *, since: Time | None = None, until: Time | None = None, user: str | None = None) -> Iterator[Line]:
        """The conversations as dicts, in the format that ``mindlytics import`` reads."""
        return self._source.lines(self._wanted.narrowed(since, until, user))

    def to_arrow(self) -> pyarrow.Table:
        """The turns as a table of pyarrow."""
        return self.turns().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        """The turns as a DataFrame of pandas."""
        return self.turns().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The turns as a DataFrame of polars."""
        return self.turns().to_polars()

    def __repr__(self) -> str:
        return f"<what is recorded at {self._source.name}>"

    def _repr_html_(self) -> str:
        return self.sessions()._repr_html_()

    def _rows(self, kind: type[R], since: Time | None, until: Time | None, user: str | None) -> Rows[R]:
        return Rows(self._source, self._wanted.narrowed(since, until, user), kind)


def read(
    place: Place,
    *,
    since: Time | None = None,
    until: Time | None = None,
    user: str | None = None,
    api_key: str | None = None,
    project_id: str | None = None,
) -> Archive:
    """Read back what is recorded. Nothing is fetched until you iterate.

    :param place: the address of a server, ``http://…``, the path of its SQLite file, or ``postgresql://…``.
    :param since: sessions that started at this time or later: an ISO 8601 date or time, a date or a datetime.
    :param until: sessions that started before this time.
    :param user: sessions of this user, by any of the user's ids.
    :param api_key: the key of the server. Like the project, it defaults to the environment, and a server on this
        machine needs none.
    :param project_id: the project. Of a database with one project, it is that one.
    :raises InvalidEvent: a time is none.
    :raises InvalidSetting: a credential is missing.
    """
    return Archive(source_at(place, api_key, project_id), Filters().narrowed(since, until, user))
