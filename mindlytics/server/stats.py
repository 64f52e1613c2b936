"""``GET /bc/v1/stats``: sums over a span of time, in all or by day.

Sessions count with all that is in them, by their start.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import orjson
from aiohttp import web
from attrs import frozen
from sqlalchemy import Connection, case, func, select

from .apps import App, find_app
from .http import STORE, caller_of
from .query import InvalidQuery, time_of
from .schema import MICROSECOND, as_datetime, conversations, intents, sessions

STATS_PATH = "/bc/v1/stats"
BY = ("all", "day")

DAY = timedelta(days=1) // MICROSECOND

Row = dict[str, object]


@frozen
class Stats:
    """A checked request: sessions that started in a span of time, by day or not."""

    since: int | None
    until: int | None
    by_day: bool


def parse_stats(parameters: Mapping[str, str]) -> Stats:
    """Read a request's text parameters: ``since``, ``until`` and ``by`` (``all`` or ``day``).

    :raises InvalidQuery: one breaks a rule.
    """
    by = parameters.get("by") or BY[0]
    if by not in BY:
        raise InvalidQuery("by", f"must be {' or '.join(BY)}")
    since, until = (time_of(parameters, name) if parameters.get(name) else None for name in ("since", "until"))
    return Stats(since, until, by == "day")


_c = conversations.c
_SUMS = (
    func.count(_c.seq).label("conversations"),
    func.sum(_c.turn_count).label("turns"),
    func.sum(_c.function_count).label("calls"),
    func.sum(_c.prompt_tokens).label("prompt_tokens"),
    func.sum(_c.completion_tokens).label("completion_tokens"),
    func.sum(_c.cost).label("cost"),
)
_INTENTS = (
    func.count(intents.c.seq).label("intents"),
    func.sum(case((intents.c.intent_fulfilled == "yes", 1), else_=0)).label("fulfilled"),
)


def counted(connection: Connection, app: App, wanted: Stats) -> list[Row]:
    """One row for each day that has sessions, the oldest first, or a single one. ``cost`` is null if none is known."""
    day = sessions.c.started_at - sessions.c.started_at % DAY if wanted.by_day else sessions.c.scope
    mine = [sessions.c.scope == app.scope]
    if wanted.since is not None:
        mine.append(sessions.c.started_at >= wanted.since)
    if wanted.until is not None:
        mine.append(sessions.c.started_at < wanted.until)
    numbers = (func.count().label("sessions"), func.count(func.distinct(sessions.c.owner)).label("users"))
    found: dict[int, Row] = {}
    for columns, table in ((numbers, None), (_SUMS, conversations), (_INTENTS, intents)):
        source = sessions if table is None else sessions.join(table, table.c.session == sessions.c.seq)
        query = select(day.label("day"), *columns).select_from(source).where(*mine).group_by(day)
        for start, *values in connection.execute(query):
            row = found.setdefault(start, _empty(start if wanted.by_day else None))
            row.update((column.name, _plain(value)) for column, value in zip(columns, values, strict=True))
    return [found[start] for start in sorted(found)] or ([] if wanted.by_day else [_empty(None)])


def _empty(day: int | None) -> Row:
    names = ("sessions", "users", *(column.name for column in (*_SUMS, *_INTENTS)))
    row: Row = {**dict.fromkeys(names, 0), "cost": None}
    return row if day is None else {"day": as_datetime(day).date().isoformat(), **row}


def _plain(value: object) -> object:
    """PostgreSQL sums whole numbers to decimals."""
    return value if value is None or isinstance(value, float) else int(str(value))


def add_routes(app: web.Application) -> None:
    """Answer with sums."""
    app.router.add_get(STATS_PATH, _answer)


async def _answer(request: web.Request) -> web.Response:
    caller = await caller_of(request)
    wanted = parse_stats(request.query)

    def read(connection: Connection) -> bytes:
        app = find_app(connection, *caller) or App(0, "", "")  # scope 0 is empty
        return orjson.dumps({"results": counted(connection, app, wanted)})

    return web.Response(body=await request.app[STORE].read(read), content_type="application/json")
