"""Reads about users: their list, and one user's sessions, insights, conversations and events.

``find.py`` reads rows. The insights come from the ``Conversation Summary`` events of the analysis. ``users.py``
decides who a user is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web
from attrs import evolve
from sqlalchemy import Connection, select

from ..events import CONVERSATION_SUMMARY, ConversationTurn
from .apps import App, find_app
from .collection import COLLECTIONS, Row
from .dialects import greatest
from .find import Query, find
from .http import STORE, Problem, caller_of
from .matching import matching
from .ordering import Term, order_by
from .query import Filter, InvalidQuery, whole
from .reads import Budget, reading_of
from .schema import aliases, conversations, events, iso, sessions, users

PAGE = 100
"""The default limit of users, sessions, conversations or turns in an answer."""

USERS = COLLECTIONS["users"]
EVENTS = COLLECTIONS["events"]
SESSIONS = evolve(
    COLLECTIONS["sessions"], order=[Term(sessions.c.started_at, descends=True), Term(sessions.c.seq, descends=True)]
)
CONVERSATIONS = COLLECTIONS["conversations"]

USER = ("id", "user_id", "aliases", "created_at", "traits")
SESSION = ("session_id", "user_id", "started_at", "ended_at", "duration", "attributes")

Read = Callable[[Connection, App, Mapping[str, str]], object]


def add_routes(app: web.Application) -> None:
    """Answer reads about users."""
    for name, read in (
        ("list", _list),
        ("details", _details),
        ("insights", _insights),
        ("conversation", _conversation),
        ("event", _event),
    ):
        app.router.add_get(f"/bc/v1/user/{name}", _answering(read))


def _answering(read: Read) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        caller = await caller_of(request)

        def work(connection: Connection) -> bytes:
            app = find_app(connection, *caller) or App(0, "", "")  # scope 0 is empty
            return orjson.dumps(read(connection, app, request.query))

        return web.Response(body=await request.app[STORE].read(work), content_type="application/json")

    return answer


def _list(connection: Connection, app: App, parameters: Mapping[str, str]) -> Row:
    order = _order(parameters)
    limit, offset = _page(parameters)
    budget = Budget(connection)
    query = (
        select(users.c.user_id, users.c.aliases)
        .where(users.c.scope == app.scope)
        .order_by(*[term.clause() for term in order], users.c.seq)
    )
    rows = budget.timed(connection.execute(query))
    names = {user_id: orjson.loads(ids) for user_id, ids in rows}
    regex = parameters.get("regex")
    reading = reading_of(connection)
    over = reading.over if reading is not None else lambda: False
    ids = matching(regex, names, over) if regex else list(names)
    page = ids[offset : offset + limit] if limit else ids[offset:]
    found = [_user_to_json(connection, app, user_id) for (user_id,) in budget.spend(zip(page))]
    return {"users": found, "total": len(ids)}


def _details(connection: Connection, app: App, parameters: Mapping[str, str]) -> Row:
    limit, offset = _page(parameters)
    user = _user(connection, app, parameters)
    mine = Filter({"user_id": user["user_id"]}, SESSIONS.columns)
    rows = find(connection, app, Query(SESSIONS, mine, skip=offset, limit=limit, include=["events"]))
    sessions = [
        {
            **{name: row[name] for name in SESSION},
            "user_traits": user["traits"],
            "events": [{"user_traits": {}, **event} for event in row["events"]],
        }
        for row in rows
    ]
    return {"sessions": sessions, **user}


def _insights(connection: Connection, app: App, parameters: Mapping[str, str]) -> Row:
    limit, offset = _page(parameters)
    user = _user(connection, app, parameters)
    mine = (conversations.c.scope == app.scope, users.c.user_id == user["user_id"])
    rows = connection.execute(_ANALYSED.where(*mine).limit(limit or None).offset(offset))
    return {"conversations": [_insight(user, row) for row in Budget(connection).spend(rows)], **user}


def _insight(user: Row, conversation: Sequence[Any]) -> Row:
    session_id, conversation_id, started_at, duration, summary = conversation
    found = orjson.loads(summary)
    return {
        "user_id": user["user_id"],
        "session_id": session_id,
        "conversation_id": conversation_id,
        "started_at": iso(started_at),
        **({"duration": duration} if duration is not None else {}),
        "sentiment": found.get("sentiment", "neutral"),
        "summary": found.get("summary", ""),
        "successful_intents": found.get("successful_intents", 0),
        "unsuccessful_intents": found.get("unsuccessful_intents", 0),
    }


def _conversation(connection: Connection, app: App, parameters: Mapping[str, str]) -> list[Row]:
    limit, offset = _page(parameters)
    conversation_id = _required(parameters, "conversation_id")
    user_id = _user(connection, app, parameters)["user_id"]
    mine = {"conversation_id": conversation_id, "user_id": user_id}
    if not find(connection, app, Query(CONVERSATIONS, Filter(mine, CONVERSATIONS.columns), limit=1)):
        raise Problem(404, "not found", "the user has no conversation of this id", field="conversation_id")
    turns = Filter({**mine, "event": ConversationTurn.event}, EVENTS.columns)
    rows = find(connection, app, Query(EVENTS, turns, skip=offset, limit=limit, in_time=True))
    return [{name: row["properties"].get(name, "") for name in ("user", "assistant")} for row in rows]


def _event(connection: Connection, app: App, parameters: Mapping[str, str]) -> Row:
    same = Filter({"event_id": _required(parameters, "event_id")}, EVENTS.columns)
    rows = find(connection, app, Query(EVENTS, same, limit=1))
    if not rows:
        raise Problem(404, "not found", "there is no event of this id", field="event_id")
    return rows[0]


def _user(connection: Connection, app: App, parameters: Mapping[str, str]) -> Row:
    """The user named by the parameter ``user_id``, by any of the user's ids."""
    name = _required(parameters, "user_id")
    query = select(users.c.user_id).join(aliases, aliases.c.owner == users.c.seq)
    user_id = connection.execute(query.where(aliases.c.scope == app.scope, aliases.c.alias == name)).scalar()
    if user_id is None:
        raise Problem(404, "not found", "no user has this id", field="user_id")
    return _user_to_json(connection, app, user_id)


def _user_to_json(connection: Connection, app: App, user_id: str) -> Row:
    (row,) = find(connection, app, Query(USERS, Filter({"user_id": user_id}, USERS.columns)))
    return {name: row[name] for name in USER}


def _required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise InvalidQuery(name, "must be given")
    return value


def _page(parameters: Mapping[str, str]) -> tuple[int, int]:
    return whole(parameters, "limit", PAGE), whole(parameters, "offset")


def _order(parameters: Mapping[str, str]) -> list[Term]:
    """The order of a list of users: ``{"value", "order"}`` as JSON, or as ``sort[value]`` and ``sort[order]``."""
    text = parameters.get("sort")
    try:
        sort = orjson.loads(text) if text else {key: parameters.get(f"sort[{key}]") for key in ("value", "order")}
    except orjson.JSONDecodeError as error:
        raise InvalidQuery("sort", f"is not JSON ({error})") from None
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
