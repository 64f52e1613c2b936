"""``find``: reads the rows of a collection that match a query, with projections and related rows.

``collection.py`` has the collections, and ``query.py`` turns filters into SQL. Everything here runs on a reader thread,
over a read-only connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from attrs import frozen
from msgspec import Meta, Struct, field
from sqlalchemy import Connection, true

from .apps import App
from .collection import COLLECTIONS, CONVERSATION_KEYS, Collection, Related, Row
from .cursors import Value
from .ordering import Order, order_by
from .parameters import Limit, Whole, named
from .query import Condition, Expression, Filter, InvalidQuery
from .reads import Budget


@frozen
class Query:
    """One checked read of a collection. :func:`checked` makes it."""

    collection: Collection
    filter: Filter
    order: Order = ()
    skip: int = 0
    limit: int = 0
    project: Callable[[Row], Row] = dict
    include: Sequence[str] = ()
    in_time: bool = False
    sorts: frozenset[str] = frozenset()
    after: Condition = true()

    @property
    def terms(self) -> Order:
        """The whole order, in which no two rows are equal."""
        return [*self.order, *((self.in_time and self.collection.in_time) or self.collection.order)]


class Find(Struct):
    """The parameters of a read.

    :param cursor: the ``next`` of the page before, or an empty text. None: the answer is no page.
    """

    filter: Annotated[Any, named("Filter")] = field(default_factory=dict)
    sort: Annotated[Any, named("Sort")] = field(default_factory=dict)
    projection: Annotated[Any, named("Projection")] = field(default_factory=dict)
    include: Annotated[Any, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})] = field(
        default_factory=list
    )
    skip: Whole = 0
    limit: Limit = 0


class FindPage(Find):
    """The same, in pages."""

    cursor: Annotated[str, Meta(description="Empty, or the next of the page before: the answer is a page.")] | None = (
        None
    )


def checked(name: str, parameters: Find) -> Query:
    """A query of these parameters.

    :param name: one of :data:`COLLECTIONS`.
    :raises InvalidQuery: a parameter breaks a rule. The message names both.
    """
    collection, include = COLLECTIONS[name], parameters.include
    if not isinstance(include, list) or not all(isinstance(item, str) for item in include):
        raise InvalidQuery("include", "must be a JSON array of names")
    for item in include:
        if item not in collection.related:
            known = ", ".join(collection.related) or "nothing"
            raise InvalidQuery("include", f"{name} have no {item}; there is {known}")
    wanted, sort = Filter(parameters.filter, collection.columns), parameters.sort
    return Query(
        collection,
        wanted,
        order_by(sort, collection.columns),
        parameters.skip,
        parameters.limit,
        _projection(parameters.projection, include),
        include,
        not wanted.equal.isdisjoint(CONVERSATION_KEYS),
        frozenset(sort) if isinstance(sort, dict) else frozenset(),
    )


def find(connection: Connection, app: App, query: Query) -> list[Row]:
    """The app's rows that match the query.

    :raises InvalidQuery: there are more than one answer may hold.
    """
    return [row for row, _ in find_with_places(connection, app, query)]


def find_with_places(connection: Connection, app: App, query: Query) -> list[tuple[Row, list[Value]]]:
    """The same, each with its place in the order of the query.

    :raises InvalidQuery: there are more than one answer may hold.
    """
    budget = Budget(connection)
    found = _select(connection, app, query, budget)
    for row, _ in found:
        for name in query.include:
            row[name] = _related(connection, app, row, query.collection.related[name], budget)
    return [(query.project(row), place) for row, place in found]


def rows_of(
    connection: Connection,
    app: App,
    collection: Collection,
    condition: Condition,
    budget: Budget,
    *,
    number: Expression,
) -> list[tuple[int, Row]]:
    """The app's rows under a condition, each with its number, in no order.

    :param number: the column of the number.
    :raises InvalidQuery: there are more than one answer may hold.
    """
    statement = collection.statement().add_columns(number).where(collection.visible(), condition)
    rows = budget.spend(connection.execute(statement, _owner(app)))
    return [(row[-1], collection.to_json(row[:-1])) for row in rows]


def _select(connection: Connection, app: App, query: Query, budget: Budget) -> list[tuple[Row, list[Value]]]:
    """Rows, each with its place in the order."""
    collection, terms = query.collection, query.terms
    statement = (
        collection.statement()
        .add_columns(*[term.expression for term in terms if term.plain])
        .where(collection.visible(query.filter, query.sorts), query.filter.condition, query.after)
        .order_by(*[term.clause() for term in terms])
        .offset(query.skip or None)
        .limit(query.limit or None)
    )
    count = len(collection.columns)
    rows = budget.spend(connection.execute(statement, _owner(app)))
    return [(collection.to_json(row[:count]), list(row[count:])) for row in rows]


def _owner(app: App) -> dict[str, str | int]:
    return {"organization_id": app.organization_id, "app_id": app.app_id, "scope": app.scope}


def _related(connection: Connection, app: App, row: Row, related: Related, budget: Budget) -> list[Row] | Row | None:
    collection = COLLECTIONS[related.collection]
    if any(row.get(key) is None for key in related.keys):
        return None if related.one else []
    same = Filter({key: row[key] for key in related.keys}, collection.columns)
    rows = [row for row, _ in _select(connection, app, Query(collection, same, in_time=True), budget)]
    return (rows[0] if rows else None) if related.one else rows


def _projection(wanted: object, include: Sequence[str]) -> Callable[[Row], Row]:
    """The requested part of a row, which always includes related rows."""
    if not isinstance(wanted, dict):
        raise InvalidQuery("projection", "must be a JSON object")
    ways = set()
    for name, way in wanted.items():
        if way not in (0, 1):
            raise InvalidQuery("projection", f"{name} must be 0 or 1")
        if name != "_id":
            ways.add(bool(way))
    if len(ways) == 2:
        raise InvalidQuery("projection", "fields are either all included or all left out")
    wholes: dict[str, set[str]] = {}
    for name in wanted:
        column, _, key = name.partition(".")
        wholes.setdefault(column, set()).add(key)
    if not ways:
        return lambda row: row
    if ways == {True}:
        return lambda row: {
            name: value if name in include or "" in wholes[name] else _keep(value, wholes[name])
            for name, value in row.items()
            if name in wholes or name in include
        }
    return lambda row: {
        name: _drop(value, wholes[name]) if name in wholes else value
        for name, value in row.items()
        if "" not in wholes.get(name, ())
    }


def _keep(value: object, keys: set[str]) -> object:
    return {key: item for key, item in value.items() if key in keys} if isinstance(value, dict) else value


def _drop(value: object, keys: set[str]) -> object:
    return {key: item for key, item in value.items() if key not in keys} if isinstance(value, dict) else value
