"""The collections that can be read: their columns, as the service returns them, their orders, and what is related.

``find.py`` reads them, and ``query.py`` turns filters over their columns into SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Annotated, Any

import orjson
from attrs import field, frozen
from sqlalchemy import (
    FromClause,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    true,
    type_coerce,
    union_all,
)

from .dialects import greatest, json_string, unindexed
from .ordering import Order, Term
from .parameters import named
from .query import EVENT, LIST, MAP, NUMBER, TEXT, TIME, Column, Condition, Expression, Filter, event_id
from .schema import apps, conversations, events, intents, iso, organizations, orgkeys, sessions, users

Row = dict[str, Any]


def row_name(collection: str) -> str:
    """What a row of this collection is called."""
    return "StoredEvent" if collection == "events" else collection[:-1].title()


def row_type(collection: str) -> Any:
    """The type of a row, by its name."""
    return Annotated[Row, named(row_name(collection))]


StoredEvent = Annotated[Row, named("StoredEvent")]
StoredUser = Annotated[Row, named("User")]


def _text(expression: Expression) -> Column:
    return Column(TEXT, expression)


def _number(expression: Expression) -> Column:
    return Column(NUMBER, expression)


def _time(expression: Expression) -> Column:
    return Column(TIME, expression)


def _columns(kind: str, table: Table, *names: str) -> dict[str, Column]:
    return {name: Column(kind, table.c[name]) for name in names}


_SCOPE = bindparam("scope", type_=events.c.scope.type)
_BY_ID = {
    "user_id": users.c.scope == _SCOPE,
    "session_id": sessions.c.scope == _SCOPE,
    "conversation_id": and_(conversations.c.scope == _SCOPE, conversations.c.session == sessions.c.seq),
}
"""What holds anyway for a row with this id. With it, an index finds the id, and the rows that belong to it."""

_COUNTS = ("event_count", "turn_count", "function_count", "prompt_tokens", "completion_tokens", "cost")
_OWNER = {name: _text(bindparam(name, type_=Text())) for name in ("organization_id", "app_id")}
"""The names of the rows' owners, which the rows leave out."""


def _of_conversations(what: Expression) -> Column:
    """The sums over a session's conversations."""
    mine = conversations.c.session == sessions.c.seq
    return _number(select(what).where(mine).correlate(sessions).scalar_subquery())


def _total(name: str) -> Expression:
    """A sum as an integer, where PostgreSQL would return a decimal."""
    return cast(func.coalesce(func.sum(conversations.c[name]), 0), conversations.c[name].type)


def _lasted(table: Table) -> Column:
    return _number(greatest(table.c.ended_at - table.c.started_at, 0) / 1e6)


@frozen
class Related:
    """Rows of another collection that agree in all ``keys``, or one of them if ``one``."""

    collection: str
    keys: tuple[str, ...]
    one: bool = False


@frozen
class Collection:
    """The source of a collection, and its columns in the order of the answer.

    :param source: tables, joined.
    :param order: the default order of the rows.
    :param scope: the number of the app that owns a row.
    :param condition: of the rows of the source that count.
    :param in_time: the order of the rows of one session or conversation.
    :param optional: columns that are left out if they are null.
    :param indexed: the columns by which an index finds the rows of an app. With other columns, or ids, ``visible``
        avoids that index.
    """

    source: FromClause
    columns: Mapping[str, Column]
    order: Order
    scope: Expression
    condition: Condition = field(factory=true)
    in_time: Order = ()
    optional: frozenset[str] = frozenset()
    indexed: frozenset[str] | None = None
    related: Mapping[str, Related] = field(factory=dict)

    def visible(self, wanted: Filter | None = None, sorts: Set[str] = frozenset()) -> Condition:
        """The condition under which an app sees a row, in a query with this filter and an order by these columns."""
        equal, names = (wanted.equal, wanted.names | sorts) if wanted is not None else (set(), sorts)
        ids = [found for name, found in _BY_ID.items() if name in equal and name in self.columns]
        scope = self.scope
        if self.indexed is not None and (ids or self.indexed.isdisjoint(names)):
            scope = unindexed(scope)  # in order of arrival, or by ids
        return and_(scope == _SCOPE, self.condition, *ids)

    def statement(self) -> Select[Any]:
        """All rows of the collection, with its columns."""
        columns = [
            (event_id(column.expression) if column.kind == EVENT else column.expression).label(name)
            for name, column in self.columns.items()
        ]
        return select(*columns).select_from(self.source)

    def to_json(self, row: Sequence[Any]) -> Row:
        """A row as the service returns it."""
        shown: Row = {}
        for (name, (kind, _)), value in zip(self.columns.items(), row, strict=True):
            if value is None:
                if name not in self.optional:
                    shown[name] = None
            elif kind == TIME:
                shown[name] = iso(value)
            elif kind in (MAP, LIST):
                shown[name] = orjson.loads(value)
            else:
                shown[name] = value
        return shown


_SESSION_KEYS = ("session_id",)
CONVERSATION_KEYS = ("session_id", "conversation_id")
_USER = Related("users", ("user_id",), one=True)
_SESSION = Related("sessions", _SESSION_KEYS, one=True)
_CONVERSATION = Related("conversations", CONVERSATION_KEYS, one=True)

_origin, _informed, _closed = (events.alias(name) for name in ("origin", "informed", "closed"))
_roles = union_all(select(literal("user", Text()).label("role")), select(literal("assistant", Text()))).subquery(
    "roles"
)
_of_session = sessions.join(users, users.c.seq == sessions.c.owner)
_of_event = events.join(_of_session, sessions.c.seq == events.c.session).outerjoin(
    conversations, conversations.c.seq == events.c.conversation
)
_conversation_id = type_coerce(conversations.c.conversation_id, Text())
"""Null for an event without a conversation, unlike the column."""

_content = json_string(events.c.properties, _roles.c.role)
_second = and_(_roles.c.role == "assistant", json_string(events.c.properties, literal("user", Text())) != "")
_index = events.c.message_index + case((_second, 1), else_=0)


def _scope_in(table: Table) -> Expression:
    """The scope of the reading app, if the row belongs to its organization."""
    same = and_(apps.c.organization_id == table.c.organization_id, apps.c.scope == _SCOPE)
    return select(apps.c.scope).where(same).correlate(table).scalar_subquery()


COLLECTIONS: Mapping[str, Collection] = {
    "users": Collection(
        users,
        {
            **_OWNER,
            **_columns(TEXT, users, "user_id", "id"),
            "aliases": Column(LIST, users.c.aliases),
            "created_at": _time(users.c.created_at),
            "traits": Column(MAP, users.c.traits),
        },
        order=[Term(users.c.seq)],
        scope=users.c.scope,
        related={
            "sessions": Related("sessions", ("user_id",)),
            "conversations": Related("conversations", ("user_id",)),
        },
    ),
    "sessions": Collection(
        _of_session,
        {
            **_OWNER,
            "session_id": _text(sessions.c.session_id),
            "user_id": _text(users.c.user_id),
            "device_id": _text(sessions.c.device_id),
            **_columns(TIME, sessions, "started_at", "ended_at"),
            "duration": _lasted(sessions),
            "attributes": Column(MAP, sessions.c.attributes),
            "conversation_count": _of_conversations(func.count()),
            "event_count": _number(sessions.c.event_count),
            **{name: _of_conversations(_total(name)) for name in _COUNTS if name not in ("event_count", "cost")},
            "cost": _of_conversations(func.sum(conversations.c.cost)),
        },
        order=[Term(sessions.c.seq)],
        scope=sessions.c.scope,
        indexed=frozenset({"session_id", "started_at"}),
        related={
            "user": _USER,
            "conversations": Related("conversations", _SESSION_KEYS),
            "events": Related("events", _SESSION_KEYS),
            "messages": Related("messages", _SESSION_KEYS),
            "intents": Related("intents", _SESSION_KEYS),
        },
    ),
    "conversations": Collection(
        conversations.join(_of_session, sessions.c.seq == conversations.c.session),
        {
            **_OWNER,
            "conversation_id": _text(conversations.c.conversation_id),
            "session_id": _text(sessions.c.session_id),
            "user_id": _text(users.c.user_id),
            **_columns(TIME, conversations, "started_at", "ended_at"),
            "duration": _lasted(conversations),
            **_columns(MAP, conversations, "properties", "attributes"),
            **_columns(NUMBER, conversations, *_COUNTS),
        },
        order=[Term(conversations.c.seq)],
        scope=conversations.c.scope,
        indexed=frozenset({"conversation_id"}),
        related={
            "user": _USER,
            "session": _SESSION,
            "events": Related("events", CONVERSATION_KEYS),
            "messages": Related("messages", CONVERSATION_KEYS),
            "intents": Related("intents", CONVERSATION_KEYS),
        },
    ),
    "events": Collection(
        _of_event.outerjoin(_origin, _origin.c.seq == events.c.origin),
        {
            **_OWNER,
            "session_id": _text(sessions.c.session_id),
            "user_id": _text(users.c.user_id),
            "conversation_id": _text(_conversation_id),
            "event_id": Column(EVENT, events),
            "origin_event_id": Column(EVENT, _origin),
            "timestamp": _time(events.c.timestamp),
            "event": _text(events.c.event),
            **_columns(MAP, events, "properties", "user_traits"),
        },
        order=[Term(events.c.seq)],
        in_time=[Term(events.c.timestamp), Term(events.c.seq)],
        scope=events.c.scope,
        indexed=frozenset({"timestamp"}),
        optional=frozenset({"conversation_id", "origin_event_id", "user_traits"}),
        related={"user": _USER, "session": _SESSION, "conversation": _CONVERSATION},
    ),
    "messages": Collection(
        _of_event.outerjoin(_roles, true()),  # not joined: SQLite would go through the roles first, and sort all
        {
            **_OWNER,
            "session_id": _text(sessions.c.session_id),
            "conversation_id": _text(conversations.c.conversation_id),
            "user_id": _text(users.c.user_id),
            "event_id": Column(EVENT, events),
            "timestamp": _time(events.c.timestamp),
            "index": _number(_index),
            "role": _text(_roles.c.role),
            "content": _text(_content),
        },
        order=[Term(events.c.seq), Term(_index)],
        in_time=[Term(events.c.timestamp), Term(events.c.seq), Term(_index)],
        scope=events.c.scope,
        condition=and_(events.c.message_index.is_not(None), _content != ""),
        indexed=frozenset({"timestamp"}),
        related={"user": _USER, "session": _SESSION, "conversation": _CONVERSATION},
    ),
    "intents": Collection(
        intents.join(sessions, sessions.c.seq == intents.c.session)
        .join(conversations, conversations.c.seq == intents.c.conversation)
        .outerjoin(_informed, _informed.c.seq == intents.c.informed_by)
        .outerjoin(_closed, _closed.c.seq == intents.c.closed_by),
        {
            **_OWNER,
            "session_id": _text(sessions.c.session_id),
            "conversation_id": _text(conversations.c.conversation_id),
            **_columns(TEXT, intents, "intent", "intent_fulfilled", "summary", "sentiment"),
            "informed_at": _time(intents.c.informed_at),
            "informed_by": Column(EVENT, _informed),
            "closed_at": _time(intents.c.closed_at),
            "closed_by": Column(EVENT, _closed),
            "analysis": _text(intents.c.analysis),
        },
        order=[Term(intents.c.seq)],
        scope=intents.c.scope,
        indexed=frozenset(),
        related={"session": _SESSION, "conversation": _CONVERSATION},
    ),
    "apps": Collection(
        apps,
        {**_columns(TEXT, apps, "organization_id", "app_id"), "created_at": _time(apps.c.created_at)},
        order=[Term(apps.c.scope)],
        scope=apps.c.scope,
    ),
    "organizations": Collection(
        organizations,
        {"organization_id": _text(organizations.c.organization_id), "created_at": _time(organizations.c.created_at)},
        order=[Term(organizations.c.seq)],
        scope=_scope_in(organizations),
    ),
    "orgkeys": Collection(
        orgkeys,
        {**_columns(TEXT, orgkeys, "organization_id", "apikey"), "created_at": _time(orgkeys.c.created_at)},
        order=[Term(orgkeys.c.seq)],
        scope=_scope_in(orgkeys),
    ),
}
