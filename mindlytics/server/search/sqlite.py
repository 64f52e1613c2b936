"""The index of words in a SQLite file: FTS5 tables that hold which words are in a row, and not the texts again.

The words are those of ``words.py``, which SQLite gets by calling ``search_words``. Only connections that have this
function can delete events.

FTS5 finds rows by their numbers, in the order of arrival, and results come in order of time. Few matches are sorted.
Many are found by walking the index of times in parts, each of which is compared with the matches between its numbers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence

import orjson
from sqlalchemy import ColumnElement, Select, func, select

from ..schema import events, users
from .fulltext import NEWEST, NEWEST_USERS, FullText, Place, Wanted
from .texts import SEARCHED, words_of_event, words_of_user
from .words import Word

FEW = 5_000
"""Up to so many matches are sorted."""

PART, LARGEST_PART = 2_000, 64_000
"""Events in the first part of a walk. Each next part is twice as large, up to a limit."""

GAP = 500
"""Numbers that may be missing between two of a run."""

LAST = 2**63 - 1

_KINDS = ", ".join(f"'{name}'" for name in SEARCHED)
_TABLES = (
    "CREATE VIEW event_texts AS SELECT seq, search_words(event, properties) AS words FROM events",
    "CREATE VIRTUAL TABLE event_words USING"
    " fts5(words, content = 'event_texts', content_rowid = 'seq', detail = none, tokenize = 'ascii')",
    "CREATE VIRTUAL TABLE user_words USING fts5(words, detail = none, tokenize = 'ascii')",
    f"CREATE TRIGGER event_words_of_deleted BEFORE DELETE ON events WHEN old.event IN ({_KINDS})"
    " AND old.seq <= (SELECT indexed FROM store) BEGIN DELETE FROM event_words WHERE rowid = old.seq; END",
    "CREATE TRIGGER user_words_of_deleted AFTER DELETE ON users"
    " BEGIN DELETE FROM user_words WHERE rowid = old.seq; END",
)
_ADD = f"""
INSERT INTO event_words (rowid, words)
    SELECT seq, search_words(event, properties) FROM events WHERE seq > ? AND seq <= ? AND event IN ({_KINDS})
"""
_LATEST = "SELECT rowid FROM event_words WHERE event_words MATCH ? AND rowid <= ? ORDER BY rowid DESC LIMIT ?"
_USERS = "SELECT rowid FROM user_words WHERE user_words MATCH ?"
_BETWEEN = "SELECT rowid FROM event_words WHERE event_words MATCH ? AND rowid BETWEEN ? AND ?"


def teach(driver: sqlite3.Connection) -> None:
    """Let a connection call what the index needs."""
    driver.create_function("search_words", 2, words_of_event, deterministic=True)


class SQLiteWords(FullText):
    """The index of a SQLite file."""

    def create(self) -> None:
        for statement in _TABLES:
            self._run(statement)

    def clear(self) -> None:
        self._run("INSERT INTO event_words (event_words) VALUES ('delete-all')")
        self._run("DELETE FROM user_words")

    def compact(self) -> None:
        for table in ("event_words", "user_words"):
            self._run(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def add_events(self, after: int, last: int) -> None:
        self._run(_ADD, after, last)

    def put_users(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._run("DELETE FROM user_words WHERE rowid = ?", number)
        found = select(users.c.seq, users.c.aliases, users.c.traits).where(_among(users.c.seq, numbers))
        for number, aliases, traits in self.connection.execute(found).all():
            self._run("INSERT INTO user_words (rowid, words) VALUES (?, ?)", number, words_of_user(aliases, traits))

    def newest(self, wanted: Wanted, limit: int) -> list[Place]:
        if not wanted.words:
            return self._places(NEWEST.where(wanted.of_events(), events.c.event.in_(SEARCHED)), limit)
        matches = self._numbers(_LATEST, _expression(wanted.words), _last(wanted), FEW + 1)
        if len(matches) <= FEW:
            return self._places(NEWEST.where(wanted.of_events(few=True), _among(events.c.seq, matches)), limit)
        return self._walk(wanted, limit)

    def users(self, wanted: Wanted, limit: int) -> list[Place]:
        matches = self._numbers(_USERS, _expression(wanted.words))
        return self._places(NEWEST_USERS.where(wanted.of_users(), _among(users.c.seq, matches)), limit)

    def _walk(self, wanted: Wanted, limit: int) -> list[Place]:
        """The latest places, from the first parts of the order of time that have enough of them."""
        expression = _expression(wanted.words)
        found: list[Place] = []
        size = PART
        with self.connection.execute(NEWEST.where(wanted.of_events())) as rows:
            cursor = rows.cursor  # that of the driver: its rows are tuples already
            while cursor is not None and len(found) < limit and (part := cursor.fetchmany(size)):
                matches: set[int] = set()
                for first, last in _runs([number for _, number in part]):
                    matches.update(self._numbers(_BETWEEN, expression, first, last))
                found += [(at, number) for at, number in part if number in matches]
                size = min(2 * size, LARGEST_PART)
        return found[:limit]

    def _places(self, statement: Select[int, int], limit: int) -> list[Place]:
        return [(at, number) for at, number in self.connection.execute(statement.limit(limit))]

    def _numbers(self, statement: str, *values: object) -> list[int]:
        return list(self.connection.exec_driver_sql(statement, values).scalars())

    def _run(self, statement: str, *values: object) -> None:
        self.connection.exec_driver_sql(statement, values)


def _among(number: ColumnElement[int], numbers: Collection[int]) -> ColumnElement[bool]:
    """Whether a number is one of these, of which there may be many."""
    listed = func.json_each(orjson.dumps(list(numbers)).decode()).table_valued("value")
    return number.in_(select(listed.c.value))


def _last(wanted: Wanted) -> int:
    return LAST if wanted.newest is None else wanted.newest


def _expression(words: Sequence[Word]) -> str:
    """The search for all of these words, which consist of letters and digits."""
    return " AND ".join(f'"{word.text}"{" *" if word.begins else ""}' for word in words)


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """The first and last of each run of numbers that follow one another, but for small gaps."""
    numbers.sort()
    first = last = numbers[0]
    for number in numbers:
        if number > last + GAP:
            yield first, last
            first = number
        last = number
    yield first, last
