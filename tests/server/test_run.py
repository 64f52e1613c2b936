"""The life of a server: files, ports, restarts, kills, many clients at once."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from mindlytics.errors import MindlyticsError
from mindlytics.server.guard import is_loopback
from mindlytics.server.idempotency import KEY_SECONDS
from mindlytics.server.records import MAX_CACHED, Records
from mindlytics.server.run import LocalServer, ServerError, serve
from mindlytics.server.schema import StoreError, events
from mindlytics.server.sqlite import SQLiteFile
from mindlytics.server.store import Store

from ..postgres import sqlite_only
from .calls import Caller, event, track, turn

PROGRAM = """
import asyncio, sys
from mindlytics.server.run import serve
asyncio.run(serve("127.0.0.1", 0, sys.argv[1], on_ready=lambda url: print(url, flush=True)))
"""


@contextmanager
def process(db: Path, program: str = PROGRAM) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its URL."""
    with subprocess.Popen([sys.executable, "-c", program, str(db)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server, server.stdout.readline().strip()
        finally:
            server.kill()


@sqlite_only
def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    with LocalServer(db) as server, (caller := Caller(server.url)).http:
        caller.queue(turn("a", "b", device_id="d"), key="k")
        before = [caller.find(name) for name in ("events", "sessions", "conversations", "users", "messages")]
    with LocalServer(db) as server, (caller := Caller(server.url)).http:
        after = [caller.find(name) for name in ("events", "sessions", "conversations", "users", "messages")]
        assert before == after
        caller.queue(turn("a", "b", device_id="d"), key="k")
        assert 3 == len(caller.find("events"))
        caller.take(turn("c", "d", device_id="d"), event("end_session", device_id="d"))
        assert [0, 1, 2, 3] == [m["index"] for m in caller.find("messages")]
        assert 2 == caller.one("conversations", filter={"ended_at": {"$exists": True}})["turn_count"]


@sqlite_only
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    acknowledged: set[int] = set()
    enough = threading.Event()

    def send(url: str, first: int) -> None:
        with (caller := Caller(url)).http:
            for batch in range(first, 100_000, 3):
                events = [track(session_id=f"s{batch % 7}", properties={"batch": batch, "i": i}) for i in range(50)]
                try:
                    if caller.queue(*events, key=f"k{batch}").status_code == 200:
                        acknowledged.add(batch)
                except requests.RequestException:
                    return
                if len(acknowledged) > 60:
                    enough.set()

    with process(db) as (server, url):
        threads = [threading.Thread(target=send, args=(url, first)) for first in range(3)]
        for thread in threads:
            thread.start()
        assert enough.wait(20)
        os.kill(server.pid, signal.SIGKILL)
        for thread in threads:
            thread.join(20)
    with LocalServer(db) as server, (caller := Caller(server.url)).http:
        seen: dict[int, list[int]] = {}
        for stored in caller.find("events", filter={"event": "Bought"}):
            seen.setdefault(stored["properties"]["batch"], []).append(stored["properties"]["i"])
        assert acknowledged <= set(seen)
        assert all(list(range(50)) == indexes for indexes in seen.values())
        last = max(seen)
        caller.queue(track(properties={"batch": last}), key=f"k{last}")
        assert 50 == len(caller.find("events", filter={"properties.batch": last}))
        counts = {s["session_id"]: s["event_count"] for s in caller.find("sessions")}
        assert counts == {name: len(caller.names(name)) for name in counts}


def test_many_clients_at_once(tmp_path: Path) -> None:
    def send(number: int) -> None:
        with (caller := Caller(server.url)).http:
            for i in range(20):
                caller.take(*(turn(str(i), str(j), session_id=f"s{number}") for j in range(10)), turn(session_id="all"))

    with LocalServer(tmp_path / "x.db") as server:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with (caller := Caller(server.url)).http:
            for number in range(6):
                texts = [m["content"] for m in caller.find("messages", filter={"session_id": f"s{number}"})]
                assert [text for i in range(20) for j in range(10) for text in (str(i), str(j))] == texts
            assert 120 == caller.one("sessions", filter={"session_id": "all"})["turn_count"]
            assert 240 == len({m["index"] for m in caller.find("messages", filter={"session_id": "all"})})


def test_two_servers_on_one_file(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    with LocalServer(db) as one, LocalServer(db) as two:
        first, second = Caller(one.url), Caller(two.url)
        with first.http, second.http:
            for _ in range(5):
                first.take(turn())
                second.take(turn())
            assert list(range(20)) == [m["index"] for m in first.find("messages")]
            assert 10 == second.one("sessions")["turn_count"]


def test_more_sessions_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_CACHED > 1000
    monkeypatch.setattr("mindlytics.server.records.MAX_CACHED", 10)
    with LocalServer(tmp_path / "x.db") as server, (caller := Caller(server.url)).http:
        for _ in range(2):
            caller.take(*(turn(session_id=f"s{i}", user_id=f"u{i}") for i in range(30)))
        assert [2] * 30 == [c["turn_count"] for c in caller.find("conversations")]
        assert 30 == len(caller.find("users"))


def test_more_apps_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindlytics.server.records.MAX_CACHED", 10)
    store = Store(tmp_path / "x.db")
    held = [
        store.submit(lambda records, i=i: (records.app(f"key{i}", "app"), len(records._apps))[1]) for i in range(50)
    ]  # type: ignore[misc]
    assert max(future.result(30) for future in held) <= 11
    store.close()


def test_the_ids_of_events_are_in_their_order(tmp_path: Path) -> None:
    connection = SQLiteFile(tmp_path / "x.db").open()
    records = Records(connection)
    records.begin()
    ids = [records.event_id(records.number()) for _ in range(10_000)]
    assert sorted(set(ids)) == ids
    connection.close()


def test_idempotency_keys_are_remembered_for_a_week() -> None:
    assert KEY_SECONDS == 7 * 24 * 3600


@sqlite_only
def test_old_idempotency_keys_are_dropped(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    with LocalServer(db) as server, (caller := Caller(server.url)).http:
        caller.queue(track(), key="old")
        caller.queue(track(), key="young")
    connection = sqlite3.connect(db)
    connection.execute(
        "UPDATE idempotency_keys SET seen_at = seen_at - ? WHERE seen_at = (SELECT min(seen_at) FROM idempotency_keys)",
        (KEY_SECONDS * 1_000_000 + 1,),
    )
    connection.commit()
    connection.close()
    with LocalServer(db) as server, (caller := Caller(server.url)).http:
        caller.take(track())
        caller.queue(track(), key="old")
        caller.queue(track(), key="young")
        assert 4 == caller.names().count("Bought")


@sqlite_only
def test_files_that_are_no_database_of_ours(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("hello " * 1000)
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    for path in (text, foreign, tmp_path / "no" / "such.db", tmp_path):
        with pytest.raises(StoreError) as caught:
            Store(path)
        assert str(path) in str(caught.value)
        assert isinstance(caught.value, MindlyticsError)
        with pytest.raises(StoreError), LocalServer(path):
            pass
    assert text.read_text().startswith("hello")


@pytest.mark.parametrize("path", [":memory:", Path(":memory:"), "", "file::memory:?cache=shared", "file:x.db"])
@sqlite_only
def test_a_database_is_a_file(path: str | Path) -> None:
    with pytest.raises(StoreError, match="the database must be a file, named by its path, got "), LocalServer(path):
        pass


async def test_the_file_is_read_where_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store("x.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert None is await store.read(lambda connection: connection.execute(select(events.c.seq)).first())
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=str(tmp_path)):
        Store(tmp_path / "x.db")


async def test_a_closed_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "x.db")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.write(lambda records: None)


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=str(port)), LocalServer(port=port):
            pass


async def test_an_open_address_needs_a_key(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.com"):
        with pytest.raises(ServerError, match="API key"):
            await serve(host, 0, tmp_path / "x.db")
    assert [True, True, True, False] == [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0")]


async def test_serve_until_it_is_cancelled(tmp_path: Path) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve("0.0.0.0", 0, tmp_path / "x.db", "key", on_ready=ready.set_result))
    assert (await asyncio.wait_for(ready, 10)).startswith("http://0.0.0.0:")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop")
def test_another_kind_of_loop(tmp_path: Path) -> None:
    program = PROGRAM.replace("asyncio.run(", "import uvloop; uvloop.run(")
    with process(tmp_path / "x.db", program) as (_, url), (caller := Caller(url)).http:
        caller.take(track())
        assert ["Session Started", "Bought"] == caller.names()


def test_a_local_server_starts_anew_and_leaves_nothing() -> None:
    server = LocalServer()
    for _ in range(2):
        with server, (caller := Caller(server.url)).http:
            caller.take(track())
            assert 1 == len(caller.find("sessions"))
            path = Path(server.store.database.name)
            with pytest.raises(ServerError):
                server.start()
        assert not path.parent.exists()
    server.stop()


def test_no_connection_is_left_open_that_comes_while_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda problem: unraisable.append(str(problem.exc_value)))
    for _ in range(4):
        stopped = threading.Event()
        with LocalServer() as server:
            address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))

            def connect(address: tuple[str, int] = address, stopped: threading.Event = stopped) -> None:
                while not stopped.is_set():
                    with suppress(OSError):
                        socket.create_connection(address, 1).close()

            visitors = [threading.Thread(target=connect) for _ in range(2)]
            for visitor in visitors:
                visitor.start()
            assert 200 == requests.get(f"{server.url}/healthz", timeout=30).status_code
        stopped.set()
        for visitor in visitors:
            visitor.join()
    del server
    gc.collect()
    assert [] == unraisable
