"""Reading: the collections, their rows as the service tells them, ``find`` with projections and related rows.

How filters become SQL is in ``query.py``. Everything here runs on a reader thread, over a connection that cannot write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from attrs import field, frozen

from .query import LIST, MAP, NUMBER, TEXT, TIME, Filter, InvalidQuery, order_by, whole
from .reads import Budget
from .records import App
from .schema import iso

Row = dict[str, Any]

_SCOPED = "scope = ?"
_SCOPED_EVENTS = "+scope = ?"  # by session, by conversation or in order of arrival; no index is for a whole app
_COUNTS = {
    "event_count": NUMBER,
    "turn_count": NUMBER,
    "function_count": NUMBER,
    "prompt_tokens": NUMBER,
    "completion_tokens": NUMBER,
    "cost": NUMBER,
}
_SUMMED = "".join(
    f", (SELECT {what} FROM conversations AS c WHERE (c.scope, c.session_id) = (sessions.scope, sessions.session_id))"
    f" AS {name}"
    for name, what in {
        "conversation_count": "count(*)",
        "cost": "sum(cost)",
        **{
            name: f"coalesce(sum({name}), 0)"
            for name in ("turn_count", "function_count", "prompt_tokens", "completion_tokens")
        },
    }.items()
)
_LASTED = ", max(ended_at - started_at, 0) / 1e6 AS duration"
_OWNER = {"organization_id": TEXT, "app_id": TEXT}


@frozen
class Related:
    """Rows of another collection: those that agree in all of ``keys``; one of them only where ``one``."""

    collection: str
    keys: tuple[str, ...]
    one: bool = False


@frozen
class Collection:
    """What a collection is read from, and its columns with their kinds, in the order in which they are told.

    :param source: a table; or a subquery, whose two parameters are the names of organization and app.
    :param optional: columns that are left out where they are null.
    :param in_time: the order of the rows of one session or conversation.
    :param visible: the condition under which an app sees a row.
    """

    source: str
    columns: Mapping[str, str]
    order: str = "seq"
    in_time: str | None = None
    optional: frozenset[str] = frozenset()
    visible: str = _SCOPED
    related: Mapping[str, Related] = field(factory=dict)


_SESSION_KEYS = ("session_id",)
_CONVERSATION_KEYS = ("session_id", "conversation_id")
_USER = Related("users", ("user_id",), one=True)
_SESSION = Related("sessions", _SESSION_KEYS, one=True)
_CONVERSATION = Related("conversations", _CONVERSATION_KEYS, one=True)


def _source(table: str, extra: str = "") -> str:
    """A table with its owner's names, which no row repeats."""
    return f"(SELECT *{extra}, ? AS organization_id, ? AS app_id FROM {table})"


COLLECTIONS: Mapping[str, Collection] = {
    "users": Collection(
        _source("users"),
        {**_OWNER, "user_id": TEXT, "id": TEXT, "aliases": LIST, "created_at": TIME, "traits": MAP},
        related={
            "sessions": Related("sessions", ("user_id",)),
            "conversations": Related("conversations", ("user_id",)),
        },
    ),
    "sessions": Collection(
        _source("sessions", _LASTED + _SUMMED),
        {
            **_OWNER,
            "session_id": TEXT,
            "user_id": TEXT,
            "device_id": TEXT,
            "started_at": TIME,
            "ended_at": TIME,
            "duration": NUMBER,
            "attributes": MAP,
            "conversation_count": NUMBER,
            **_COUNTS,
        },
        related={
            "user": _USER,
            "conversations": Related("conversations", _SESSION_KEYS),
            "events": Related("events", _SESSION_KEYS),
            "messages": Related("messages", _SESSION_KEYS),
            "intents": Related("intents", _SESSION_KEYS),
        },
    ),
    "conversations": Collection(
        _source("conversations", _LASTED),
        {
            **_OWNER,
            "conversation_id": TEXT,
            "session_id": TEXT,
            "user_id": TEXT,
            "started_at": TIME,
            "ended_at": TIME,
            "duration": NUMBER,
            "properties": MAP,
            "attributes": MAP,
            **_COUNTS,
        },
        related={
            "user": _USER,
            "session": _SESSION,
            "events": Related("events", _CONVERSATION_KEYS),
            "messages": Related("messages", _CONVERSATION_KEYS),
            "intents": Related("intents", _CONVERSATION_KEYS),
        },
    ),
    "events": Collection(
        _source("events"),
        {
            **_OWNER,
            "session_id": TEXT,
            "user_id": TEXT,
            "conversation_id": TEXT,
            "event_id": TEXT,
            "origin_event_id": TEXT,
            "timestamp": TIME,
            "event": TEXT,
            "properties": MAP,
            "user_traits": MAP,
        },
        in_time="timestamp, seq",
        visible=_SCOPED_EVENTS,
        optional=frozenset({"conversation_id", "origin_event_id", "user_traits"}),
        related={"user": _USER, "session": _SESSION, "conversation": _CONVERSATION},
    ),
    "messages": Collection(
        _source("messages"),
        {
            **_OWNER,
            "session_id": TEXT,
            "conversation_id": TEXT,
            "user_id": TEXT,
            "event_id": TEXT,
            "timestamp": TIME,
            "index": NUMBER,
            "role": TEXT,
            "content": TEXT,
        },
        order='seq, "index"',
        in_time='timestamp, seq, "index"',
        visible=_SCOPED_EVENTS,
        related={"user": _USER, "session": _SESSION, "conversation": _CONVERSATION},
    ),
    "intents": Collection(
        _source("intents"),
        {
            **_OWNER,
            "session_id": TEXT,
            "conversation_id": TEXT,
            "intent": TEXT,
            "intent_fulfilled": TEXT,
            "summary": TEXT,
            "sentiment": TEXT,
            "informed_at": TIME,
            "informed_by": TEXT,
            "closed_at": TIME,
            "closed_by": TEXT,
            "analysis": TEXT,
        },
        visible=_SCOPED_EVENTS,
        related={"session": _SESSION, "conversation": _CONVERSATION},
    ),
    "apps": Collection("apps", {**_OWNER, "created_at": TIME}, order="scope"),
    "organizations": Collection(
        "organizations",
        {"organization_id": TEXT, "created_at": TIME},
        visible="organization_id = (SELECT organization_id FROM apps WHERE scope = ?)",
    ),
    "orgkeys": Collection(
        "orgkeys",
        {"organization_id": TEXT, "apikey": TEXT, "created_at": TIME},
        visible="organization_id = (SELECT organization_id FROM apps WHERE scope = ?)",
    ),
}


@frozen
class Query:
    """One read of a collection, checked; see :func:`parse` for what the parameters may be."""

    collection: Collection
    filter: Filter
    order: tuple[str, list[Any]] = ("", [])
    skip: int = 0
    limit: int = 0
    project: Callable[[Row], Row] = dict
    include: Sequence[str] = ()
    in_time: bool = False


def parse(name: str, parameters: Mapping[str, str]) -> Query:
    """A query from the text parameters of a request.

    :param name: one of :data:`COLLECTIONS`.
    :raises InvalidQuery: naming the parameter, and what is wrong.
    """
    collection = COLLECTIONS[name]
    include = _json(parameters, "include", [])
    if not isinstance(include, list) or not all(isinstance(item, str) for item in include):
        raise InvalidQuery("include", "must be a JSON array of names")
    for item in include:
        if item not in collection.related:
            known = ", ".join(collection.related) or "nothing"
            raise InvalidQuery("include", f"{name} have no {item}; there is {known}")
    wanted = _json(parameters, "filter", {})
    return Query(
        collection,
        Filter(wanted, collection.columns),
        order_by(_json(parameters, "sort", {}), collection.columns),
        whole(parameters, "skip"),
        whole(parameters, "limit"),
        _projection(_json(parameters, "projection", {}), include),
        include,
        isinstance(wanted, dict) and any(isinstance(wanted.get(name), str) for name in _CONVERSATION_KEYS),
    )


def find(connection: sqlite3.Connection, app: App, query: Query) -> list[Row]:
    """The rows of the app that the query asks for.

    :raises InvalidQuery: there are more than one answer may have.
    """
    budget = Budget(connection)
    rows = _select(connection, app, query, budget)
    for row in rows:
        for name in query.include:
            row[name] = _related(connection, app, row, query.collection.related[name], budget)
    return [query.project(row) for row in rows]


def _select(connection: sqlite3.Connection, app: App, query: Query, budget: Budget) -> list[Row]:
    collection = query.collection
    columns = ", ".join(f'"{name}"' for name in collection.columns)
    terms, parameters = query.order
    order = (query.in_time and collection.in_time) or collection.order
    sql = (
        f"SELECT {columns} FROM {collection.source} WHERE {collection.visible} AND ({query.filter.sql})"
        f" ORDER BY {terms}{order} LIMIT ? OFFSET ?"
    )
    owner = [app.organization_id, app.app_id] if "?" in collection.source else []
    given = [*owner, app.scope, *query.filter.parameters, *parameters, query.limit or -1, query.skip]
    return [_told(row, collection) for row in budget.spend(connection.execute(sql, given))]


def _told(row: sqlite3.Row, collection: Collection) -> Row:
    told: Row = {}
    for (name, kind), value in zip(collection.columns.items(), row, strict=True):
        if value is None:
            if name not in collection.optional:
                told[name] = None
        elif kind == TIME:
            told[name] = iso(value)
        elif kind in (MAP, LIST):
            told[name] = orjson.loads(value)
        else:
            told[name] = value
    return told


def _related(
    connection: sqlite3.Connection, app: App, row: Row, related: Related, budget: Budget
) -> list[Row] | Row | None:
    collection = COLLECTIONS[related.collection]
    if any(row.get(key) is None for key in related.keys):
        return None if related.one else []
    same = Filter({key: row[key] for key in related.keys}, collection.columns)
    rows = _select(connection, app, Query(collection, same, in_time=True), budget)
    return (rows[0] if rows else None) if related.one else rows


def _projection(given: object, include: Sequence[str]) -> Callable[[Row], Row]:
    """The part of a row that is asked for; related rows are always in it."""
    if not isinstance(given, dict):
        raise InvalidQuery("projection", "must be a JSON object")
    ways = set()
    for name, way in given.items():
        if way not in (0, 1):
            raise InvalidQuery("projection", f"{name} must be 0 or 1")
        if name != "_id":
            ways.add(bool(way))
    if len(ways) == 2:
        raise InvalidQuery("projection", "fields are either all included or all left out")
    wholes: dict[str, set[str]] = {}
    for name in given:
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


def _json(parameters: Mapping[str, str], name: str, default: object) -> object:
    text = parameters.get(name)
    if not text:
        return default
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidQuery(name, f"is no JSON ({error})") from None
