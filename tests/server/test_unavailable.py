"""A disk that is full, a file that is gone: what is answered then, and that it goes on afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, select

from mindlytics.server.records import Records
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import events

from ..cli.processes import mindlytics
from ..conftest import eventually
from ..postgres import sqlite_only
from .calls import Caller, event, turn


def statuses(caller: Caller) -> tuple[int, int]:
    """Of a write that takes room, and of the health check."""
    return caller.queue(turn("x" * 200_000)).status_code, caller.get("/healthz").status_code


def set_room(server: LocalServer, pages: int) -> None:
    """Let the file grow to so many pages. 0: keep its current size."""

    def work(records: Records) -> None:
        run = records.connection.exec_driver_sql
        run(f"PRAGMA max_page_count = {pages or run('PRAGMA page_count').scalar_one()}")

    server.store.submit(work).result(30)


@sqlite_only
def test_a_full_disk_is_answered_with_503_until_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    with LocalServer() as server, (caller := Caller(server.url)).http:
        assert (200, 200) == statuses(caller)
        set_room(server, 0)
        reply = caller.queue(turn("x" * 200_000))
        assert (503, "1") == (reply.status_code, reply.headers["Retry-After"])
        assert {"error": "unavailable", "message": "the disk is full"} == reply.json()
        assert (503, 503) == statuses(caller)
        assert 1 == len([record for record in caplog.records if "cannot be written" in record.message])
        set_room(server, 1_000_000)
        assert (200, 200) == statuses(caller)
        assert 2 == len(caller.find("events", filter={"event": "Conversation Turn"}))


@sqlite_only
def test_the_health_check_recovers_without_other_writes() -> None:
    with LocalServer() as server, (caller := Caller(server.url)).http:
        set_room(server, 0)
        assert (503, 503) == statuses(caller)
        set_room(server, 1_000_000)
        assert 200 == caller.get("/healthz").status_code


@sqlite_only
def test_a_disk_without_room_is_not_healthy(monkeypatch: pytest.MonkeyPatch, caller: Caller) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    reply = caller.get("/healthz")
    assert (503, "the disk is full") == (reply.status_code, reply.json()["message"])


@sqlite_only
def test_a_file_that_is_removed_is_missed_until_it_is_back(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    with LocalServer(db) as server, (caller := Caller(server.url)).http:
        assert (200, 200) == statuses(caller)
        os.link(db, tmp_path / "kept.db")
        db.unlink()
        assert (503, 503) == statuses(caller)
        reply = caller.get("/bc/v1/db/events/find")
        assert (503, "the database file was removed") == (reply.status_code, reply.json()["message"])
        os.link(tmp_path / "kept.db", db)
        assert (200, 200) == statuses(caller)


@sqlite_only
def test_a_damaged_file_is_answered_with_503_and_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    db = tmp_path / "x.db"
    with LocalServer(db, analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(*[turn("x" * 20_000, session_id=f"s{number}") for number in range(40)])
    with open(db, "r+b") as file:
        file.seek(len(file.read()) // 4)
        file.write(b"\xff" * (db.stat().st_size // 2))
    with LocalServer(db, analysis=None) as server, (caller := Caller(server.url)).http:
        for reply in (caller.get("/bc/v1/db/events/find"), caller.queue(turn("x" * 200_000)), caller.get("/healthz")):
            assert (503, "the database is damaged") == (reply.status_code, reply.json()["message"])
    assert 1 == len([record for record in caplog.records if "the database is damaged" in record.message])
    for arguments in (["search", "x"], ["forget", "--yes", "--user", "u"]):
        ended = mindlytics(*arguments, "--db", db)
        assert (True, False) == ("the database is damaged" in ended.stderr, "Traceback" in ended.stderr)


@sqlite_only
def test_a_file_that_another_one_replaced_is_missed(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    with LocalServer(db) as server, (caller := Caller(server.url)).http:
        with LocalServer(tmp_path / "other.db"):
            pass
        (tmp_path / "other.db").replace(db)
        assert (503, 503) == statuses(caller)


def test_what_is_stored_is_acknowledged_although_it_cannot_be_published(
    caller: Caller, server: LocalServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise OSError("nobody listens")

    with monkeypatch.context() as patch:
        patch.setattr(server.store._writer, "on_commit", fail)
        caller.take(turn())
    assert "stored events were not published" in caplog.text
    caller.take(turn())
    assert 4 == len(caller.find("messages"))


@sqlite_only
def test_the_log_of_writes_is_emptied_although_somebody_reads_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindlytics.server.sqlite.LONGEST_LOG", 1024 * 1024)
    db, ended = tmp_path / "x.db", threading.Event()
    log = tmp_path / "x.db-wal"

    def read(connection: Connection) -> bool:
        connection.execute(select(events)).all()
        return ended.wait(30)

    with LocalServer(db, read_timeout=0) as server, (caller := Caller(server.url)).http:
        assert server._loop is not None
        first = asyncio.run_coroutine_threadsafe(server.store.read(read), server._loop)
        while log.stat().st_size < 2 * 1024 * 1024:
            caller.take(turn("x" * 200_000))
        second = asyncio.run_coroutine_threadsafe(server.store.read(read), server._loop)
        ended.set()
        assert first.result(30)
        assert second.result(30)
        asyncio.run(eventually(lambda: log.stat().st_size < 1024 * 1024))
        assert (200, 200) == statuses(caller)


@pytest.mark.parametrize("begins", [{"type": "start_session"}, turn()])
def test_nothing_ends_before_it_began_although_the_clock_was_set_back(caller: Caller, begins: dict[str, str]) -> None:
    caller.take({**event(), **begins}, event("end_session", timestamp="2025-04-03T06:35:11.000Z"))
    rows = caller.find("sessions") + caller.find("conversations")
    assert [0] * len(rows) == [row["duration"] for row in rows]
