"""Reads about users: their list, and one user's sessions, insights, conversations and events.

``find.py`` reads rows. The insights come from the ``Conversation Summary`` events of the analysis. ``users.py``
decides who a user is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from attrs import evolve
from msgspec import Meta, Struct, field
from sqlalchemy import Connection, select

from ..annotations import NotRequired, TypedDict
from ..events import CONVERSATION_SUMMARY, ConversationTurn
from ..values import Scalar
from .apps import App
from .collection import COLLECTIONS, StoredEvent
from .dialects import greatest
from .find import Query, find
from .http import Problem
from .matching import matching
from .ordering import Term, order_by
from .parameters import Limit, Text, Time, Traits, Whole
from .query import Filter, InvalidQuery
from .reads import Budget, reading_of
from .routes import Read
from .schema import aliases, conversations, events, iso, sessions, users

USERS = COLLECTIONS["users"]
EVENTS = COLLECTIONS["events"]
SESSIONS = evolve(
    COLLECTIONS["sessions"], order=[Term(sessions.c.started_at, descends=True), Term(sessions.c.seq, descends=True)]
)
CONVERSATIONS = COLLECTIONS["conversations"]

USER = ("id", "user_id", "aliases", "created_at", "traits")
SESSION = ("session_id", "user_id", "started_at", "ended_at", "duration", "attributes")


class Page(Struct, kw_only=True):
    """A part of what there is."""

    limit: Limit = 100
    offset: Whole = 0


_DIRECTION = {"enum": ["asc", "desc"]}
_SORT = {
    "type": "object",
    "properties": {"value": {"type": "string"}, "order": _DIRECTION},
    "required": ["value", "order"],
}


class Listing(Page, kw_only=True):
    """Users, in an order: one of ``sort``, or ``sort[value]`` and ``sort[order]``."""

    regex: Annotated[str, Meta(description="A regular expression that one of a user's ids has to match.")] = ""
    sort: Annotated[Any, Meta(extra_json_schema=_SORT)] = None
    sort_value: str | None = field(default=None, name="sort[value]")
    sort_order: Annotated[str, Meta(extra_json_schema=_DIRECTION)] | None = field(default=None, name="sort[order]")


class OfUser(Page, kw_only=True):
    """A user, by any id."""

    user_id: Text


class OfConversation(OfUser, kw_only=True):
    """A conversation of a user."""

    conversation_id: Text


class OfEvent(Struct):
    """An event."""

    event_id: Text


class ListedUser(TypedDict):
    """A user."""

    id: str
    user_id: str
    aliases: list[str]
    created_at: Time
    traits: Traits


class Users(TypedDict):
    users: list[ListedUser]
    total: int


class UserSession(TypedDict):
    """A session, with its events."""

    session_id: str
    user_id: str
    started_at: Time
    ended_at: Time | None
    duration: float | None
    attributes: Traits
    user_traits: Traits
    events: list[StoredEvent]


class UserDetails(ListedUser):
    sessions: list[UserSession]


class Insight(TypedDict):
    """A conversation that was analysed. Without ``duration`` it has no end."""

    user_id: str
    session_id: str
    conversation_id: str
    started_at: Time
    duration: NotRequired[float]
    sentiment: str
    summary: str
    successful_intents: int
    unsuccessful_intents: int


class UserInsights(ListedUser):
    conversations: list[Insight]


class TurnTexts(TypedDict):
    """What was said in a turn."""

    user: Scalar
    assistant: Scalar


def list_users(connection: Connection, app: App, query: Listing) -> Users:
    """Users."""
    order = _order(query)
    budget = Budget(connection)
    selected = (
        select(users.c.user_id, users.c.aliases)
        .where(users.c.scope == app.scope)
        .order_by(*[term.clause() for term in order], users.c.seq)
    )
    rows = budget.timed(connection.execute(selected))
    names = {user_id: orjson.loads(ids) for user_id, ids in rows}
    reading = reading_of(connection)
    over = reading.over if reading is not None else lambda: False
    ids = matching(query.regex, names, over) if query.regex else list(names)
    page = ids[query.offset : query.offset + query.limit] if query.limit else ids[query.offset :]
    found = [_user_to_json(connection, app, user_id) for (user_id,) in budget.spend(zip(page))]
    return {"users": found, "total": len(ids)}


def details(connection: Connection, app: App, query: OfUser) -> UserDetails:
    """A user with sessions and their events."""
    user = _user(connection, app, query.user_id)
    mine = Filter({"user_id": user["user_id"]}, SESSIONS.columns)
    rows = find(connection, app, Query(SESSIONS, mine, skip=query.offset, limit=query.limit, include=["events"]))
    found: list[Any] = [
        {
            **{name: row[name] for name in SESSION},
            "user_traits": user["traits"],
            "events": [{"user_traits": {}, **event} for event in row["events"]],
        }
        for row in rows
    ]
    return {"sessions": found, **user}


def insights(connection: Connection, app: App, query: OfUser) -> UserInsights:
    """A user with the conversations that were analysed."""
    user = _user(connection, app, query.user_id)
    mine = (users.c.scope == app.scope, users.c.user_id == user["user_id"])
    rows = connection.execute(_ANALYSED.where(*mine).limit(query.limit or None).offset(query.offset))
    return {"conversations": [_insight(user, row) for row in Budget(connection).spend(rows)], **user}


def _insight(user: ListedUser, conversation: Sequence[Any]) -> Insight:
    session_id, conversation_id, started_at, duration, summary = conversation
    found = orjson.loads(summary)
    insight: Insight = {
        "user_id": user["user_id"],
        "session_id": session_id,
        "conversation_id": conversation_id,
        "started_at": iso(started_at),
        "sentiment": found.get("sentiment", "neutral"),
        "summary": found.get("summary", ""),
        "successful_intents": found.get("successful_intents", 0),
        "unsuccessful_intents": found.get("unsuccessful_intents", 0),
    }
    if duration is not None:
        insight["duration"] = duration
    return insight


def conversation(connection: Connection, app: App, query: OfConversation) -> list[TurnTexts]:
    """The turns of a conversation."""
    mine = {"conversation_id": query.conversation_id, "user_id": _user(connection, app, query.user_id)["user_id"]}
    if not find(connection, app, Query(CONVERSATIONS, Filter(mine, CONVERSATIONS.columns), limit=1)):
        raise Problem(404, "not found", "the user has no conversation of this id", field="conversation_id")
    turns = Filter({**mine, "event": ConversationTurn.event}, EVENTS.columns)
    rows = find(connection, app, Query(EVENTS, turns, skip=query.offset, limit=query.limit, in_time=True))
    return [
        {"user": it.get("user", ""), "assistant": it.get("assistant", "")} for it in (row["properties"] for row in rows)
    ]


def event(connection: Connection, app: App, query: OfEvent) -> StoredEvent:
    """An event."""
    rows = find(connection, app, Query(EVENTS, Filter({"event_id": query.event_id}, EVENTS.columns), limit=1))
    if not rows:
        raise Problem(404, "not found", "there is no event of this id", field="event_id")
    return rows[0]


def _user(connection: Connection, app: App, name: str) -> ListedUser:
    """The user with this name among the ids."""
    query = select(users.c.user_id).join(aliases, aliases.c.owner == users.c.seq)
    user_id = connection.execute(query.where(aliases.c.scope == app.scope, aliases.c.alias == name)).scalar()
    if user_id is None:
        raise Problem(404, "not found", "no user has this id", field="user_id")
    return _user_to_json(connection, app, user_id)


def _user_to_json(connection: Connection, app: App, user_id: str) -> ListedUser:
    (row,) = find(connection, app, Query(USERS, Filter({"user_id": user_id}, USERS.columns)))
    return {name: row[name] for name in USER}  # type: ignore[return-value]


def _order(query: Listing) -> list[Term]:
    """The order of a list of users."""
    sort = {"value": query.sort_value, "order": query.sort_order} if query.sort is None else query.sort
    if sort == {"value": None, "order": None}:
        return []
    value, order = (sort.get("value"), sort.get("order")) if isinstance(sort, dict) else (None, None)
    if order not in ("asc", "desc") or not isinstance(value, str) or value.partition(".")[0] not in USER:
        raise InvalidQuery("sort", f'must be {{"value", "order"}}: one of {", ".join(USER)}, and "asc" or "desc"')
    return order_by({value: 1 if order == "asc" else -1}, USERS.columns)


_summaries = events.alias("summaries")
_LAST_SUMMARY = (
    select(_summaries.c.seq)
    .where(
        _summaries.c.session == conversations.c.session,
        _summaries.c.conversation == conversations.c.seq,
        _summaries.c.event == CONVERSATION_SUMMARY,
        _summaries.c.origin.is_not(None),
    )
    .order_by(_summaries.c.timestamp.desc(), _summaries.c.seq.desc())
    .limit(1)
    .correlate(conversations)
    .scalar_subquery()
)
_ANALYSED = (
    select(
        sessions.c.session_id,
        conversations.c.conversation_id,
        conversations.c.started_at,
        greatest(conversations.c.ended_at - conversations.c.started_at, 0) / 1e6,
        events.c.properties,
    )
    .select_from(
        conversations.join(sessions, sessions.c.seq == conversations.c.session)
        .join(users, users.c.seq == sessions.c.owner)
        .join(events, events.c.seq == _LAST_SUMMARY)
    )
    .order_by(conversations.c.started_at.desc(), conversations.c.seq.desc())
)
"""The conversations with their last summary. An event of that name from a caller is ignored."""

ROUTES = (
    Read("GET", "/bc/v1/user/list", list_users),
    *(
        Read("GET", f"/bc/v1/user/{function.__name__}", function, others=[404])
        for function in (details, insights, conversation, event)
    ),
)
