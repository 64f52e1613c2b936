"""What is known of users: the list of them, and of one the sessions, the insights, a conversation, an event.

How rows are read is in ``find.py``; what the insights are made of is what the analysis has stored as the event
``Conversation Summary``. Who a user is, is decided in ``users.py``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web
from attrs import evolve

from .find import COLLECTIONS, Query, Row, find
from .http import STORE, Problem, caller_of
from .matching import matching
from .query import Filter, InvalidQuery, order_by, whole
from .reads import Budget, Reading
from .records import App, find_app
from .schema import iso

PAGE = 100
"""So many users, sessions, conversations or turns are told, if no other limit is given."""

USERS = COLLECTIONS["users"]
EVENTS = COLLECTIONS["events"]
SESSIONS = evolve(COLLECTIONS["sessions"], order="started_at DESC, seq DESC")
CONVERSATIONS = COLLECTIONS["conversations"]

USER = ("id", "user_id", "aliases", "created_at", "traits")
SESSION = ("session_id", "user_id", "started_at", "ended_at", "duration", "attributes")

Read = Callable[[sqlite3.Connection, App, Mapping[str, str]], object]


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


def _answering(read: Read) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.Response:
        caller = await caller_of(request)

        def work(connection: sqlite3.Connection) -> bytes:
            app = find_app(connection, *caller) or App(0, "", "")  # nothing belongs to scope 0
            return orjson.dumps(read(connection, app, request.query))

        return web.Response(body=await request.app[STORE].read(work), content_type="application/json")

    return answer


def _list(connection: sqlite3.Connection, app: App, parameters: Mapping[str, str]) -> Row:
    terms, given = _order(parameters)
    limit, offset = _page(parameters)
    budget = Budget(connection)
    sql = f"SELECT user_id, aliases FROM users WHERE scope = ? ORDER BY {terms}seq"
    rows = budget.timed(connection.execute(sql, (app.scope, *given)))
    users = {user_id: orjson.loads(aliases) for user_id, aliases in rows}
    regex = parameters.get("regex")
    over = connection.over if isinstance(connection, Reading) else lambda: False
    ids = matching(regex, users, over) if regex else list(users)
    page = ids[offset : offset + limit] if limit else ids[offset:]
    told = [_told(connection, app, user_id) for (user_id,) in budget.spend(zip(page))]
    return {"users": told, "total": len(ids)}


def _details(connection: sqlite3.Connection, app: App, parameters: Mapping[str, str]) -> Row:
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


def _insights(connection: sqlite3.Connection, app: App, parameters: Mapping[str, str]) -> Row:
    limit, offset = _page(parameters)
    user = _user(connection, app, parameters)
    rows = connection.execute(_ANALYSED, (app.scope, user["user_id"], limit or -1, offset))
    return {"conversations": [_insight(user, row) for row in Budget(connection).spend(rows)], **user}


def _insight(user: Row, conversation: sqlite3.Row) -> Row:
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


def _conversation(connection: sqlite3.Connection, app: App, parameters: Mapping[str, str]) -> list[Row]:
    limit, offset = _page(parameters)
    conversation_id = _required(parameters, "conversation_id")
    user_id = _user(connection, app, parameters)["user_id"]
    mine = {"conversation_id": conversation_id, "user_id": user_id}
    if not find(connection, app, Query(CONVERSATIONS, Filter(mine, CONVERSATIONS.columns), limit=1)):
        raise Problem(404, "not found", "the user has no conversation of this id", field="conversation_id")
    turns = Filter({**mine, "event": "Conversation Turn"}, EVENTS.columns)
    rows = find(connection, app, Query(EVENTS, turns, skip=offset, limit=limit, in_time=True))
    return [{name: row["properties"].get(name, "") for name in ("user", "assistant")} for row in rows]


def _event(connection: sqlite3.Connection, app: App, parameters: Mapping[str, str]) -> Row:
    same = Filter({"event_id": _required(parameters, "event_id")}, EVENTS.columns)
    rows = find(connection, app, Query(EVENTS, same, limit=1))
    if not rows:
        raise Problem(404, "not found", "there is no event of this id", field="event_id")
    return rows[0]


def _user(connection: sqlite3.Connection, app: App, parameters: Mapping[str, str]) -> Row:
    """The user whom the parameter ``user_id`` names, by any of the user's ids."""
    sql = "SELECT user_id FROM aliases WHERE scope = ? AND alias = ?"
    row = connection.execute(sql, (app.scope, _required(parameters, "user_id"))).fetchone()
    if row is None:
        raise Problem(404, "not found", "nobody has this id", field="user_id")
    return _told(connection, app, row["user_id"])


def _told(connection: sqlite3.Connection, app: App, user_id: str) -> Row:
    (row,) = find(connection, app, Query(USERS, Filter({"user_id": user_id}, USERS.columns)))
    return {name: row[name] for name in USER}


def _required(parameters: Mapping[str, str], name: str) -> str:
    given = parameters.get(name)
    if not given:
        raise InvalidQuery(name, "must be given")
    return given


def _page(parameters: Mapping[str, str]) -> tuple[int, int]:
    return whole(parameters, "limit", PAGE), whole(parameters, "offset")


def _order(parameters: Mapping[str, str]) -> tuple[str, list[Any]]:
    """The order of a list of users: ``{"value", "order"}`` as JSON, or as ``sort[value]`` and ``sort[order]``."""
    text = parameters.get("sort")
    try:
        sort = orjson.loads(text) if text else {key: parameters.get(f"sort[{key}]") for key in ("value", "order")}
    except orjson.JSONDecodeError as error:
        raise InvalidQuery("sort", f"is no JSON ({error})") from None
    if sort == {"value": None, "order": None}:
        return "", []
    value, order = (sort.get("value"), sort.get("order")) if isinstance(sort, dict) else (None, None)
    if order not in ("asc", "desc") or not isinstance(value, str) or value.partition(".")[0] not in USER:
        raise InvalidQuery("sort", f'must be {{"value", "order"}}: one of {", ".join(USER)}, and "asc" or "desc"')
    return order_by({value: 1 if order == "asc" else -1}, USERS.columns)


_ANALYSED = """
    SELECT c.session_id, c.conversation_id, started_at, max(ended_at - started_at, 0) / 1e6, summary.properties
      FROM conversations AS c JOIN events AS summary ON summary.seq = (
               SELECT seq FROM events AS e
                WHERE +e.scope = c.scope AND e.session_id = c.session_id AND +e.conversation_id = c.conversation_id
                  AND e.event = 'Conversation Summary' AND e.origin_event_id IS NOT NULL
                ORDER BY timestamp DESC, seq DESC LIMIT 1)
     WHERE c.scope = ? AND c.user_id = ?
     ORDER BY started_at DESC, c.seq DESC LIMIT ? OFFSET ?
"""
"""The conversations with their last summary; one of a caller's own making, which nothing else caused, is none."""
