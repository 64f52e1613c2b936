"""``GET /bc/v1/stats``: sums over a span of time, in all or by day.

Sessions count with all that is in them, by their start.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypedDict

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select

from .apps import App
from .parameters import Date, Object
from .query import time_of
from .routes import Read
from .schema import MICROSECOND, as_datetime, conversations, intents, sessions

STATS_PATH = "/bc/v1/stats"

_DAY: ColumnElement[int] = literal_column(str(timedelta(days=1) // MICROSECOND))
"""PostgreSQL takes two parameters of one value for different ones, and so the two expressions of a day."""

Row = dict[str, object]


class Span(Struct):
    """Sessions that started in a span of time, in one row or by day."""

    since: Date = ""
    until: Date = ""
    by: Literal["all", "day"] = "all"


class Statistics(TypedDict):
    results: list[Object]


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


def stats(connection: Connection, app: App, query: Span) -> Statistics:
    """Sums over the sessions of a span of time.

    One row for each day that has sessions, the oldest first, or a single one. ``cost`` is null if none is known.
    """
    by_day = query.by == "day"
    began = sessions.c.started_at
    since_midnight = (began % _DAY + _DAY) % _DAY  # before 1970, a remainder is negative
    day = began - since_midnight if by_day else sessions.c.scope
    mine = [sessions.c.scope == app.scope]
    if query.since:
        mine.append(sessions.c.started_at >= time_of("since", query.since))
    if query.until:
        mine.append(sessions.c.started_at < time_of("until", query.until))
    numbers = (func.count().label("sessions"), func.count(func.distinct(sessions.c.owner)).label("users"))
    found: dict[int, Row] = {}
    for columns, table in ((numbers, None), (_SUMS, conversations), (_INTENTS, intents)):
        source = sessions if table is None else sessions.join(table, table.c.session == sessions.c.seq)
        selected = select(day.label("day"), *columns).select_from(source).where(*mine).group_by(day)
        for start, *values in connection.execute(selected):
            row = found.setdefault(start, _empty(start if by_day else None))
            row.update((column.name, _plain(value)) for column, value in zip(columns, values, strict=True))
    return {"results": [found[start] for start in sorted(found)] or ([] if by_day else [_empty(None)])}


def _empty(day: int | None) -> Row:
    names = ("sessions", "users", *(column.name for column in (*_SUMS, *_INTENTS)))
    row: Row = {**dict.fromkeys(names, 0), "cost": None}
    return row if day is None else {"day": as_datetime(day).date().isoformat(), **row}


def _plain(value: object) -> object:
    """PostgreSQL sums whole numbers to decimals."""
    return value if value is None or isinstance(value, float) else int(str(value))


ROUTES = (Read("GET", STATS_PATH, stats),)
