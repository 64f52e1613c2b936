"""What search asks of a database's index of words: to be made, filled, emptied, and to find what holds all words.

The index follows what is deleted by itself. ``words.py`` makes the words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, and_, or_, select, true

from ..schema import events, users
from .words import Word

Place = tuple[int, int]
"""The time and the number of a row. Later ones are greater."""


@frozen
class Wanted:
    """A search.

    :param words: all of them have to be in a text. Without any, each text is found.
    :param conditions: of the rows that are searched: events and their conversations, or users.
    :param times: conditions of events' times besides.
    :param narrow: whether the conditions leave few events, which are then looked at one by one.
    :param before: rows at this place or later are left out.
    :param newest: rows of greater numbers are left out.
    """

    scope: int
    words: Sequence[Word]
    conditions: Sequence[ColumnElement[bool]] = ()
    times: Sequence[ColumnElement[bool]] = ()
    narrow: bool = False
    before: Place | None = None
    newest: int | None = None

    def of_events(self, *, few: bool = False) -> ColumnElement[bool]:
        """The condition under which a row of ``events`` counts, whatever its words.

        :param few: another condition leaves few events.
        """
        scope = events.c.scope + 0 if few or self.narrow else events.c.scope  # + 0 avoids the index of times
        return and_(scope == self.scope, *self.conditions, self._in_time())

    def in_time(self) -> ColumnElement[bool]:
        """The same, whatever the ``conditions`` are: the index of times has these events in one piece."""
        return and_(events.c.scope == self.scope, self._in_time())

    def _in_time(self) -> ColumnElement[bool]:
        return and_(*self.times, self._earlier(events.c.timestamp, events.c.seq))

    def of_users(self) -> ColumnElement[bool]:
        """The condition under which a row of ``users`` counts."""
        return and_(users.c.scope == self.scope, *self.conditions, self._earlier(users.c.created_at, users.c.seq))

    def _earlier(self, time: ColumnElement[int], number: ColumnElement[int]) -> ColumnElement[bool]:
        bound = true() if self.newest is None else number <= self.newest
        if self.before is None:
            return bound
        at, seq = self.before
        return and_(bound, time <= at, or_(time < at, number < seq))


class FullText(ABC):
    """The index of one kind of database, through one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @abstractmethod
    def create(self) -> None:
        """Make the index, which is empty, beside the tables."""

    @abstractmethod
    def clear(self) -> None:
        """Empty it."""

    @abstractmethod
    def compact(self) -> None:
        """Remove the last traces of what was deleted."""

    @abstractmethod
    def add_events(self, after: int, last: int) -> None:
        """Add the events of these numbers, the last one included."""

    @abstractmethod
    def put_users(self, numbers: Sequence[int]) -> None:
        """Add these users, or add them anew."""

    @abstractmethod
    def newest(self, wanted: Wanted, limit: int) -> list[Place]:
        """The latest events that are wanted, the latest first."""

    @abstractmethod
    def users(self, wanted: Wanted, limit: int) -> list[Place]:
        """The latest users whose ids and traits are wanted, the latest first."""


def full_text(connection: Connection) -> FullText:
    """The index of a connection's database."""
    if connection.dialect.name == "postgresql":
        from .postgres import PostgreSQLWords  # noqa: PLC0415  a file needs none of it

        return PostgreSQLWords(connection)
    from .sqlite import SQLiteWords  # noqa: PLC0415  nor a PostgreSQL database of this

    return SQLiteWords(connection)


NEWEST = select(events.c.timestamp, events.c.seq).order_by(events.c.timestamp.desc(), events.c.seq.desc())
"""Places of events, the latest first."""

NEWEST_USERS = select(users.c.created_at, users.c.seq).order_by(users.c.created_at.desc(), users.c.seq.desc())
