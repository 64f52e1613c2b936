"""The index of words in a PostgreSQL database: a ``tsvector`` for each event and user that is searched.

The words are those of ``words.py``. So the server's own dictionaries and parsers play no part.

The database cannot guess how many rows have a rare word, and takes all rare words for less rare than they are. It would
then look up the words of each event in order of time. So a search reads spans of time, the latest first, and a piece of
the index for each. If the first three spans have too few matches, and there are few at all, these are sorted instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Select,
    TableClause,
    and_,
    any_,
    column,
    exists,
    func,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR

from ..schema import NUMBER, events, users
from .fulltext import NEWEST, NEWEST_USERS, FullText, Place, Wanted
from .texts import SEARCHED, words_of_event, words_of_user
from .words import Word

FEW = 2_000
"""Up to so many matches are sorted."""

SPAN = 500
"""Events in the first span of a walk. Each next one has twice as many."""

_TABLES = (
    "CREATE TABLE event_words (seq bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX event_words_found ON event_words USING gin (words)",
    "CREATE TABLE user_words (seq bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX user_words_found ON user_words USING gin (words)",
    "CREATE FUNCTION forget_event_words() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN DELETE FROM event_words WHERE seq = OLD.seq; RETURN NULL; END'",
    "CREATE FUNCTION forget_user_words() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN DELETE FROM user_words WHERE seq = OLD.seq; RETURN NULL; END'",
    "CREATE TRIGGER event_words_of_deleted AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION forget_event_words()",
    "CREATE TRIGGER user_words_of_deleted AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION forget_user_words()",
)
_PUT = (
    "INSERT INTO {} (seq, words) VALUES (%s, array_to_tsvector(%s))"
    " ON CONFLICT (seq) DO UPDATE SET words = EXCLUDED.words"
)

_event_words = table("event_words", column("seq"), column("words", TSVECTOR))
_user_words = table("user_words", column("seq"), column("words", TSVECTOR))
WORDS = (_event_words, _user_words)
"""The tables of the index."""


class PostgreSQLWords(FullText):
    """The index of a PostgreSQL database."""

    def create(self) -> None:
        for statement in _TABLES:
            self.connection.exec_driver_sql(statement)

    def clear(self) -> None:
        self.connection.execute(text("TRUNCATE event_words, user_words"))

    def compact(self) -> None:
        """Do nothing: its tables are written anew like all others."""

    def add_events(self, after: int, last: int) -> None:
        found = select(events.c.seq, events.c.event, events.c.properties).where(
            events.c.seq > after, events.c.seq <= last, events.c.event.in_(SEARCHED)
        )
        rows = self.connection.execute(found)
        self._put("event_words", [(seq, words_of_event(event, properties) or "") for seq, event, properties in rows])

    def put_users(self, numbers: Sequence[int]) -> None:
        found = select(users.c.seq, users.c.aliases, users.c.traits).where(users.c.seq.in_(numbers))
        rows = self.connection.execute(found)
        self._put("user_words", [(seq, words_of_user(aliases, traits)) for seq, aliases, traits in rows])

    def newest(self, wanted: Wanted, limit: int) -> list[Place]:
        if not wanted.words:
            return self._places(NEWEST.where(wanted.of_events(), events.c.event.in_(SEARCHED)), limit)
        if not wanted.narrow:
            return self._walk(wanted, limit)
        few = self._few(wanted, _event_words)
        if few is not None:
            return self._those(wanted, few, limit)
        return self._places(NEWEST.where(wanted.of_events(), _holds(wanted, _event_words, events.c.seq)), limit)

    def users(self, wanted: Wanted, limit: int) -> list[Place]:
        few = self._few(wanted, _user_words)
        found = _holds(wanted, _user_words, users.c.seq) if few is None else _among(users.c.seq, few)
        return self._places(NEWEST_USERS.where(wanted.of_users(), found), limit)

    def _few(self, wanted: Wanted, index: TableClause) -> list[int] | None:
        """The numbers of all rows that have the words, or None if there are many."""
        found = select(index.c.seq).where(_matches(wanted, index)).limit(FEW + 1)
        numbers = list(self.connection.execute(found).scalars())
        return numbers if len(numbers) <= FEW else None

    def _walk(self, wanted: Wanted, limit: int) -> list[Place]:
        """The latest places, from spans of time that reach back further and further.

        The numbers in a span are close to one another. So a look into the index of words for them is short.
        """
        found: list[Place] = []
        earlier = wanted.in_time()
        size = SPAN
        while True:
            span = NEWEST.where(earlier).limit(size).subquery()
            count, start, first, last = self.connection.execute(
                select(func.count(), func.min(span.c.timestamp), func.min(span.c.seq), func.max(span.c.seq))
            ).one()
            if not count:
                return found
            is_last = count < size
            within = events.c.timestamp >= start if is_last else events.c.timestamp > start
            words = select(_event_words.c.seq).where(
                _event_words.c.seq.between(first, last), _matches(wanted, _event_words)
            )
            found += self._places(
                NEWEST.where(wanted.of_events(), earlier, within, events.c.seq.in_(words)), limit - len(found)
            )
            if is_last or len(found) == limit:
                return found
            if size == SPAN * 4 and (few := self._few(wanted, _event_words)) is not None:
                return self._those(wanted, few, limit)
            earlier = and_(wanted.in_time(), events.c.timestamp <= start)
            size *= 2

    def _those(self, wanted: Wanted, numbers: Sequence[int], limit: int) -> list[Place]:
        """The latest of the events with these numbers."""
        return self._places(NEWEST.where(wanted.of_events(few=True), _among(events.c.seq, numbers)), limit)

    def _put(self, name: str, rows: Sequence[tuple[int, str]]) -> None:
        if rows:
            values = [(seq, list(dict.fromkeys(words.split()))) for seq, words in rows]
            self.connection.exec_driver_sql(_PUT.format(name), values)

    def _places(self, statement: Select[int, int], limit: int) -> list[Place]:
        return [(at, number) for at, number in self.connection.execute(statement.limit(limit))]


def _matches(wanted: Wanted, index: TableClause) -> ColumnElement[bool]:
    return index.c.words.bool_op("@@")(_query(wanted.words))


def _holds(wanted: Wanted, index: TableClause, number: ColumnElement[int]) -> ColumnElement[bool]:
    return exists(select(1).where(index.c.seq == number, _matches(wanted, index)))


def _among(number: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
    return number == any_(literal(numbers, ARRAY(NUMBER)))


def _query(words: Sequence[Word]) -> ColumnElement[object]:
    """The search for all of these words, which consist of letters and digits."""
    found = " & ".join(f"'{word.text}'{':*' if word.begins else ''}" for word in words)
    return literal(found).cast(TSQUERY)
