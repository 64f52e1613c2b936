"""How records and events become rows: statements that SQLAlchemy compiles once, and hands to the driver as they are.

Most of what the store writes goes this way. SQLAlchemy's own way takes a dictionary for each row, and three times as
long. Events go into PostgreSQL by COPY.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any

import orjson
from sqlalchemy import Connection, Table, bindparam, func, insert, literal_column, update

from .dialects import upsert
from .schema import aliases, conversations, devices, events, intents, named, sessions, unindexed, users
from .stored import ABSENT

_TABLES: Mapping[str, Table] = {"User": users, "Session": sessions, "Conversation": conversations}
_JSON = ("aliases", "traits", "attributes", "properties")
_EVENT = tuple(column.name for column in events.c if column.name != "former_id")
_MARKS = tuple(ABSENT.get(name, ...) for name in _EVENT)
"""What stands for NULL in each column, if anything does."""


def _values(table: Table) -> tuple[Callable[[Any], tuple[Any, ...]], list[int]]:
    """What reads the values of a record, in the order of the columns, and the places of those that become JSON."""
    names = [column.name for column in table.c]
    paths = [{"owner": "user.seq"}.get(name, name) for name in names]
    return attrgetter(*paths), [names.index(name) for name in _JSON if name in names]


_VALUES = {kind: _values(table) for kind, table in _TABLES.items()}


class Rows:
    """What writes rows through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._statements: dict[tuple[str, str], tuple[str, Callable[[Any], Any] | None]] = {}
        self.aliases: list[tuple[int, str, int]] = []
        self.devices: dict[tuple[int, str], int] = {}
        self.named: list[tuple[int, str, int]] = []
        """Links of names to users, and to sessions, that are to be written."""

    def insert(self, kind: str, records: Sequence[object]) -> None:
        """Add rows of new records of one kind."""
        table = _TABLES[kind]
        self._run(("insert", kind), lambda: insert(table), [c.name for c in table.c], self._of(kind, records))

    def update(self, kind: str, records: Sequence[object]) -> None:
        """Write records of one kind to the rows that they have."""
        table = _TABLES[kind]
        names = [f"new_{column.name}" for column in table.c]
        self._run(("update", kind), lambda: _update(table), names, self._of(kind, records))

    def note_users(self, users: Sequence[Any]) -> None:
        """Note that the words of users are to be put into the index."""
        noted = partial(_add_new, self._connection, unindexed)
        self._run(("insert", "unindexed"), noted, ["seq"], [(user.seq,) for user in users])

    def insert_events(self, found: Sequence[tuple[object, ...]]) -> None:
        """Add rows of events."""
        if self._connection.dialect.name == "postgresql":
            from .postgres import copy_into  # noqa: PLC0415  it needs psycopg

            copy_into(self._connection, events, _EVENT, map(_with_nulls, found))
        else:
            rows = [event[: len(_EVENT)] for event in found]
            self._run(("insert", "events"), _insert_events, _EVENT, rows)

    def insert_intents(self, columns: Sequence[str], found: Sequence[tuple[object, ...]]) -> None:
        """Add rows of intents, whose values are in the order of these columns."""
        self._run(("insert", "intents"), lambda: insert(intents), columns, found)

    def flush_links(self) -> None:
        """Write the links that wait."""
        if self.aliases:
            self._run(("insert", "aliases"), lambda: insert(aliases), ["scope", "alias", "owner"], self.aliases)
        if self.devices:
            rows = [(*name, owner) for name, owner in self.devices.items()]
            linked = partial(_link, self._connection)
            self._run(("upsert", "devices"), linked, ["scope", "device_id", "owner"], rows)
        if self.named:
            noted = partial(_add_new, self._connection, named)
            self._run(("insert", "named"), noted, ["scope", "name", "session"], self.named)
        self.forget()

    def forget(self) -> None:
        """Drop the links that wait."""
        self.aliases.clear()
        self.devices.clear()
        self.named.clear()

    def _of(self, kind: str, records: Sequence[object]) -> list[tuple[object, ...]]:
        values, places = _VALUES[kind]
        rows = []
        for record in records:
            row = list(values(record))
            for place in places:
                row[place] = orjson.dumps(row[place]).decode() if row[place] else _EMPTY[type(row[place])]
            rows.append(tuple(row))
        return rows

    def _run(
        self,
        name: tuple[str, str],
        statement: Callable[[], Any],
        columns: Sequence[str],
        rows: Sequence[tuple[object, ...]],
    ) -> None:
        """Run a statement for each row, whose values are in the order of these columns.

        :param statement: makes the statement, once for this connection.
        """
        if name not in self._statements:
            compiled = statement().compile(dialect=self._connection.dialect, column_keys=list(columns))
            order = [list(columns).index(column) for column in compiled.positiontup or ()]
            plain = order == list(range(len(columns)))
            self._statements[name] = str(compiled), None if plain else itemgetter(*order)
        sql, in_order = self._statements[name]
        self._connection.exec_driver_sql(sql, list(rows if in_order is None else map(in_order, rows)))


def _update(table: Table) -> Any:
    values: dict[str, Any] = {c.name: bindparam(f"new_{c.name}", type_=c.type) for c in table.c if c.name != "seq"}
    return update(table).where(table.c.seq == bindparam("new_seq")).values(**values)


def _insert_events() -> Any:
    values: dict[str, Any] = {name: bindparam(name, type_=events.c[name].type) for name in _EVENT}
    absent = {name: func.nullif(values[name], literal_column(repr(mark))) for name, mark in ABSENT.items()}
    return insert(events).values({**values, **absent})


def _with_nulls(event: tuple[object, ...]) -> list[object]:
    return [None if value == mark else value for value, mark in zip(event, _MARKS, strict=False)]


def _add_new(connection: Connection, table: Table) -> Any:
    return upsert(connection.dialect.name, table).on_conflict_do_nothing()


def _link(connection: Connection) -> Any:
    statement = upsert(connection.dialect.name, devices)
    return statement.on_conflict_do_update(
        index_elements=["scope", "device_id"], set_={"owner": statement.excluded.owner}
    )


_EMPTY: Mapping[type, str] = {dict: "{}", list: "[]"}
