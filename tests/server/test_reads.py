"""Reads that take too long or would answer with too much, and what goes on beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from mindlytics.antonnia import Conversations
from mindlytics.antonnia.exceptions import ValidationError
from mindlytics.server import reads
from mindlytics.server.reads import READERS
from mindlytics.server.run import LocalServer
from mindlytics.server.unavailable import Unavailable

from .calls import Caller, track, turn

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def endless(connection: Connection, *_: object) -> Any:
    return connection.exec_driver_sql(ENDLESS).first()


def begin(server: LocalServer) -> Future[Any]:
    assert server._loop is not None
    return asyncio.run_coroutine_threadsafe(server.store.read(endless), server._loop)


@contextmanager
def all_readers_busy(server: LocalServer) -> Iterator[list[Future[Any]]]:
    yield [begin(server) for _ in range(2 * READERS)]


def test_a_read_that_takes_too_long_is_answered_with_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindlytics.server.find_routes.find", endless)
    with LocalServer(read_timeout=0.1) as server, (caller := Caller(server.url)).http:
        caller.take(track())
        reply = caller.get("/bc/v1/db/events/find")
        assert (503, "unavailable", "1") == (reply.status_code, reply.json()["error"], reply.headers["Retry-After"])
        assert "took too long" in reply.json()["message"]
        assert 200 == caller.get("/bc/v1/user/list").status_code


def test_a_read_that_spends_its_time_in_python_is_given_up_too() -> None:
    def read(connection: Connection) -> Any:
        rows = connection.exec_driver_sql(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
        )
        return sum(1 for _ in reads.Budget(connection).timed(rows))

    with LocalServer(read_timeout=0.1) as server:
        assert server._loop is not None
        answer = asyncio.run_coroutine_threadsafe(server.store.read(read), server._loop)
        with pytest.raises(Unavailable, match="took too long"):
            answer.result(30)


def test_a_read_that_waits_too_long_for_a_reader_is_given_up() -> None:
    with LocalServer(read_timeout=0.2) as server, all_readers_busy(server) as begun:
        wait(begun, 30)
        assert 2 * READERS == sum(isinstance(read.exception(0), Unavailable) for read in begun)


def test_events_with_an_issued_key_are_taken_while_all_readers_are_busy() -> None:
    with LocalServer(super_key="super", read_timeout=0) as server, (manager := Caller(server.url, "super")).http:
        key = manager.post("/bc/v1/orgkeys", {"organization_id": "mill"}).json()["apikey"]
        with all_readers_busy(server) as begun, (caller := Caller(server.url, key)).http:
            caller.take(track())
            assert not any(read.done() for read in begun)


def test_the_end_of_a_server_interrupts_reads() -> None:
    with LocalServer(read_timeout=0) as server, all_readers_busy(server) as begun:
        server.stop()
        assert not [read for read in begun if not read.done()]


def test_a_server_that_stops_at_once_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(30):
        with LocalServer(idle=0.001):
            pass
    assert [] == caplog.records


def test_more_rows_than_an_answer_may_have_are_refused(monkeypatch: pytest.MonkeyPatch, caller: Caller) -> None:
    monkeypatch.setattr(reads, "MAX_ROWS", 5)
    caller.take(*[track(str(number)) for number in range(5)])  # and the start of the session
    for path in ("/bc/v1/db/events/find", "/bc/v1/db/sessions/find"):
        reply = caller.get(path, include=["events"] if "sessions" in path else [])
        assert (400, "limit") == (reply.status_code, reply.json()["field"])
    assert 5 == len(caller.find("events", limit=5))
    span = {"start": "2025-01-01", "end": "2026-01-01"}
    assert 400 == caller.get("/bc/v1/live-events/events", **span, limit="0").status_code


def test_more_text_than_an_answer_may_have_is_refused(monkeypatch: pytest.MonkeyPatch, caller: Caller) -> None:
    monkeypatch.setattr(reads, "MAX_BYTES", 10_000)
    caller.take(*[turn("x" * 3_000) for _ in range(5)])
    reply = caller.get("/bc/v1/db/messages/find")
    assert (400, "limit") == (reply.status_code, reply.json()["field"])


def test_a_search_for_metadata_takes_short_names(server: LocalServer) -> None:
    with Conversations("any", f"{server.url}/conversations/v2") as conversations:
        session = conversations.sessions.create("ada", "Ada", metadata={"a": {"b": 1}})
        assert [session.id] == [found.id for found in conversations.sessions.search(metadata={"a.b": 1})]
        for wanted in ({".".join("a" * 100_000): 1}, dict.fromkeys(map(str, range(200)), 1)):
            with pytest.raises(ValidationError, match="names of"):
                conversations.sessions.search(metadata=wanted)


def test_days_before_1970_are_counted_by_themselves(caller: Caller) -> None:
    times = ["1969-12-30T12:00:00Z", "1969-12-31T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"]
    caller.take(*[turn(session_id=at, timestamp=at) for at in times])
    days = caller.get("/bc/v1/stats", by="day").json()["results"]
    assert [("1969-12-30", 1), ("1969-12-31", 2), ("1970-01-01", 1)] == [(day["day"], day["turns"]) for day in days]
