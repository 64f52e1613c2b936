"""Counts what happened on each day, in UTC, for the charts. ``drawing.py`` draws them.

A day is counted once and kept for a while, and hour by hour if it has many events. A request counts for a limited
time, so a page may come without its oldest days. The next request goes on where this one ended.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median
from typing import NamedTuple

import orjson
from attrs import define, fields_dict
from sqlalchemy import Connection, func, select

from ...events import (
    CONVERSATION_SUMMARY,
    INTENT_CLOSED,
    ML_ERROR,
    ConversationFunction,
    ConversationTurn,
)
from ...values import UTC
from ..apps import App
from ..schema import MICROSECOND, conversations, events, microseconds, now, sessions
from ..stored import is_error
from .listing import NEGATIVE, POSITIVE, READ

DAYS = (7, 30, 90)
"""The spans that the page offers."""

COUNTING_SECONDS = 1.0
"""How long one request counts days that are not known yet."""

KEPT_SECONDS = 600.0
FRESH_SECONDS = 5.0
"""How long the numbers of a day are kept, and those of today and yesterday."""

MOST_KEPT = 10_000

MANY = 50_000
"""Events from which on a day is counted hour by hour."""

DAY = timedelta(days=1) // MICROSECOND


@define
class Day:
    """The numbers of one day. Sessions and what is in them count on the day of their start, findings on their own."""

    day: date
    sessions: int = 0
    conversations: int = 0
    turns: int = 0
    tokens: int = 0
    cost: float = 0.0
    positive: int = 0
    neutral: int = 0
    negative: int = 0
    fulfilled: int = 0
    unfulfilled: int = 0
    errors: int = 0
    latency: float | None = None
    """The median time for an answer in milliseconds, if turns have one. Of a day that is counted by hours, the median
    of theirs.
    """


class _Kept(NamedTuple):
    day: Day
    counted_at: float


class Days:
    """Counted days of one server, by project. Readers share it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, int], _Kept] = {}

    def last(self, connection: Connection, app: App, count: int, last: date) -> tuple[list[Day], bool]:
        """The days up to one, the oldest first, and whether older ones are still to be counted."""
        found: list[Day] = []
        until = time.monotonic() + COUNTING_SECONDS
        for back in range(count):
            day = last - timedelta(days=back)
            counted: list[Day] = []
            for start, end in _parts(connection, app, day):
                kept = self._kept.get((app.scope, start, end))
                if kept is None or time.monotonic() - kept.counted_at > _age(end):
                    if time.monotonic() > until:
                        return found[::-1], True
                    kept = self._keep(app, start, end, count_part(connection, app, day, start, end))
                counted.append(kept.day)
            found.append(totals(day, counted))
        return found[::-1], False

    def _keep(self, app: App, start: int, end: int, counted: Day) -> _Kept:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        kept = self._kept[app.scope, start, end] = _Kept(counted, time.monotonic())
        return kept


def _age(end: int) -> float:
    return FRESH_SECONDS if end > now() - DAY else KEPT_SECONDS


def _parts(connection: Connection, app: App, day: date) -> list[tuple[int, int]]:
    """The day, or its hours if there are many events: each is counted by itself."""
    start, end = bounds(day)
    query = select(events.c.seq).where(events.c.scope == app.scope, events.c.timestamp.between(start, end - 1))
    if connection.execute(query.offset(MANY).limit(1)).first() is None:
        return [(start, end)]
    hour = DAY // 24
    return [(each, each + hour) for each in range(start, end, hour)]


def bounds(day: date) -> tuple[int, int]:
    """When a day begins, and the next one."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return microseconds(start), microseconds(start + timedelta(days=1))


def count_part(connection: Connection, app: App, day: date, start: int, end: int) -> Day:
    """Count one day, or a part of it."""
    counted = Day(day)
    _count_sessions(connection, app, start, end, counted)
    _count_events(connection, app, start, end, counted)
    return counted


def _count_sessions(connection: Connection, app: App, start: int, end: int, counted: Day) -> None:
    began = (sessions.c.scope == app.scope, sessions.c.started_at >= start, sessions.c.started_at < end)
    counted.sessions = connection.execute(select(func.count()).select_from(sessions).where(*began)).scalar_one()
    c = conversations.c
    numbers = (func.count(), func.sum(c.turn_count), func.sum(c.prompt_tokens) + func.sum(c.completion_tokens))
    query = select(*numbers, func.sum(c.cost)).select_from(sessions.join(conversations, c.session == sessions.c.seq))
    row = connection.execute(query.where(*began)).one()
    counted.conversations, counted.turns, counted.tokens = (int(number or 0) for number in row[:3])
    counted.cost = float(row[3] or 0.0)


_COUNTED = (ConversationTurn.event, ConversationFunction.event, CONVERSATION_SUMMARY, INTENT_CLOSED, ML_ERROR)


def _count_events(connection: Connection, app: App, start: int, end: int, counted: Day) -> None:
    query = select(events.c.event, READ).where(
        events.c.scope == app.scope,
        events.c.timestamp >= start,
        events.c.timestamp < end,
        events.c.event.in_(_COUNTED),
    )
    latencies: list[float] = []
    for name, properties in connection.execute(query):
        said: Mapping[str, object] = orjson.loads(properties)
        if name == CONVERSATION_SUMMARY:
            _feel(counted, said.get("sentiment"))
        elif name == INTENT_CLOSED:
            won = said.get("intent_fulfilled") == "yes"
            counted.fulfilled += won
            counted.unfulfilled += not won
        elif name == ML_ERROR or is_error(said.get("error")):
            counted.errors += 1
        latency = said.get("latency")
        if name == ConversationTurn.event and isinstance(latency, (int, float)):
            latencies.append(latency)
    counted.latency = median(latencies) if latencies else None


def _feel(counted: Day, sentiment: object) -> None:
    if sentiment == POSITIVE:
        counted.positive += 1
    elif sentiment == NEGATIVE:
        counted.negative += 1
    elif sentiment is not None:
        counted.neutral += 1


def totals(day: date, counted: Sequence[Day]) -> Day:
    """The sums over some parts. The latency is the median of theirs."""
    summed = Day(day)
    for part in counted:
        for name in _SUMMED:
            setattr(summed, name, getattr(summed, name) + getattr(part, name))
    latencies = [part.latency for part in counted if part.latency is not None]
    summed.latency = median(latencies) if latencies else None
    return summed


_SUMMED = fields_dict(Day).keys() - {"day", "latency"}
