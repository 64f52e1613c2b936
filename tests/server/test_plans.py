"""The reads that people page with cost the same, however much is stored. Plans that read whole tables cost more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy import event as listening

from benchmarks import reading
from benchmarks.reading import APART, PADDING, START, ZEROS, fill, finish
from mindlytics.server import user_reads
from mindlytics.server.answers import READS
from mindlytics.server.apps import App
from mindlytics.server.export import ROUTES as EXPORT
from mindlytics.server.page.conversation import steps
from mindlytics.server.page.listing import Choice, newest_sessions, projects, session_of, user_of
from mindlytics.server.reader import app_of_project, reader
from mindlytics.server.schema import iso
from mindlytics.server.search.indexing import index_all
from mindlytics.server.store import Store

from .. import postgres

SIZES = (6_000, 24_000)
"""Turns. Each session has twelve of them."""

USERS = SIZES[-1] // 12
"""So no user has more than one session."""

MOST, FEW = 1.5, 50
"""The work may grow by this factor, and by so many rows of PostgreSQL or hundreds of SQLite's instructions."""

Work = Callable[[Connection, App], object]

SESSION, CONVERSATION = (f"{name}{ZEROS}{PADDING + 1200}" for name in ("session-", "talk-000"))
SPAN = {"$gte": iso(START + 1200 * APART), "$lt": iso(START + 1800 * APART)}
PATHS = {**READS, **{route.path: route for route in (*user_reads.ROUTES, *EXPORT)}}


def read(path: str, **parameters: object) -> Work:
    query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    return lambda connection, app: PATHS[path].read(connection, app, query)


def pages(path: str, **parameters: object) -> Work:
    """Two pages."""

    def work(connection: Connection, app: App) -> None:
        first: Any = read(path, **parameters, cursor="")(connection, app)
        if first["next"] is not None:
            read(path, **parameters, cursor=first["next"])(connection, app)

    return work


def found(name: str, **parameters: object) -> Work:
    return pages(f"/bc/v1/db/{name}/find", limit=50, **parameters)


WORK: Mapping[str, Work] = {
    **{name: found(name) for name in ("users", "sessions", "conversations", "events", "messages", "intents")},
    "newest sessions": found("sessions", sort={"started_at": -1}),
    "newest events": found("events", sort={"timestamp": -1}),
    "newest messages": found("messages", sort={"timestamp": -1}),
    **{
        f"newest {name} of a {of}": found(name, filter={f"{of}_id": value}, sort={order: -1})
        for name, order in (("sessions", "started_at"), ("conversations", "started_at"), ("events", "timestamp"))
        for of, value in (("session", SESSION), ("conversation", CONVERSATION), ("user", "user-7"))
        if (name, of) != ("sessions", "conversation")
    },
    "events of a span": found("events", filter={"timestamp": SPAN}, sort={"timestamp": 1}),
    "a session": found("sessions", filter={"session_id": SESSION}),
    "a conversation": found("conversations", filter={"conversation_id": CONVERSATION}),
    **{
        f"{name} of a {of}": found(name, filter={f"{of}_id": value})
        for name in ("sessions", "conversations", "events", "messages")
        for of, value in (("session", SESSION), ("conversation", CONVERSATION), ("user", "user-7"))
        if (name, of) != ("sessions", "conversation")
    },
    "a session with all related": read(
        "/bc/v1/db/sessions/find",
        filter={"session_id": SESSION},
        include=["user", "conversations", "events", "messages", "intents"],
    ),
    "an event": read("/bc/v1/db/events/find", filter={"event_id": "0" * 32}),
    "a user": found("users", filter={"user_id": "user-7"}),
    "a user's details": read("/bc/v1/user/details", user_id="user-7"),
    "a user's insights": read("/bc/v1/user/insights", user_id="user-7"),
    "a user's conversation": read("/bc/v1/user/conversation", user_id="user-100", conversation_id=CONVERSATION),
    "an export's page": read("/bc/v1/export"),
    "search": pages("/bc/v1/search", q="order"),
    "search, a rare word": read("/bc/v1/search", q="number7"),
    "search, no word that is there": read("/bc/v1/search", q="zeppelin"),
    "search, of a user": read("/bc/v1/search", q="order", user="user-7"),
    "search, a user alone": read("/bc/v1/search", user="user-7"),
    "search, of a span": read("/bc/v1/search", q="order", since=SPAN["$gte"], until=SPAN["$lt"]),
    "search, by rank": read("/bc/v1/search", q="order", order="rank"),
    "the page": lambda connection, app: newest_sessions(connection, app, Choice()),
    "the page of a user": lambda connection, app: newest_sessions(connection, app, Choice(user="user-7")),
    "the page's user": lambda connection, app: user_of(connection, app, "user-7"),
    "the page's session": lambda connection, app: session_of(connection, app, SESSION),
    "the page's projects": lambda connection, app: projects(connection, "key"),
    "the page's conversation": lambda connection, app: steps(connection, 1201, last=True),
}


def rows(plan: Any) -> int:
    """What a node of a plan of PostgreSQL, and those below it, read and returned."""
    names = [name for name in plan if name.startswith("Rows Removed by")]
    own = plan["Actual Loops"] * (plan["Actual Rows"] + sum(plan[name] for name in names))
    return int(own) + sum(map(rows, plan.get("Plans", ())))


def rows_read(connection: Connection, app: App, work: Work) -> int:
    """The rows that PostgreSQL reads. What it takes for slow is a page that it does not read in order.

    With its default for that, it reads all of a table of 5,000 rows rather than 50 of them by an index.
    """
    connection.exec_driver_sql("SET random_page_cost = 1")
    asked: list[tuple[str, Any]] = []

    def listen(_: object, __: object, sql: str, parameters: Any, *___: object) -> None:
        asked.append((sql, parameters))

    listening.listen(connection, "before_cursor_execute", listen)
    work(connection, app)
    listening.remove(connection, "before_cursor_execute", listen)
    explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)"
    plans = [connection.exec_driver_sql(f"{explain} {sql}", values).scalar_one() for sql, values in asked]
    return sum(rows(plan[0]["Plan"]) for plan in plans)


def instructions(connection: Connection, app: App, work: Work) -> int:
    """The hundreds of instructions that SQLite takes. FTS5 does not count."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, 100)
    work(connection, app)
    driver.set_progress_handler(None, 0)
    return counted


@pytest.fixture(scope="module", params=[pytest.param("sqlite", marks=postgres.sqlite_only), "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path_factory.mktemp("plans") / "x.db")
    else:
        with postgres.cluster() as cluster:
            yield cluster.url


@pytest.fixture(scope="module")
def costs(place: str) -> list[Mapping[str, int]]:
    """What each read costs at each size."""
    measure = rows_read if place.startswith("postgresql") else instructions
    measured = []
    for before, size in zip((0, *SIZES), SIZES, strict=False):
        store = Store(place)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "USERS", USERS)
            fill(store, before, size)
        index_all(store)
        finish(store)
        store.close()
        with reader(place) as connection, connection.begin():
            app = app_of_project(connection, None)
            measured.append({name: measure(connection, app, work) for name, work in WORK.items()})
    return measured


@pytest.mark.parametrize("name", WORK)
def test_a_read_costs_the_same_among_four_times_as_many(costs: list[Mapping[str, int]], name: str) -> None:
    few, many = (measured[name] for measured in costs)
    assert many <= min(MOST * few + FEW, SIZES[-1]), f"{few} became {many}"
