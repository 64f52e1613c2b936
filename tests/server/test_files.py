"""The database file: who may read it, that it holds no key, and files of earlier versions."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from mindlytics.antonnia import Conversations
from mindlytics.server.collection import COLLECTIONS
from mindlytics.server.keyhash import hashed, shown
from mindlytics.server.migrations import config
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import REVISION, StoreError
from mindlytics.server.sqlite import VERSION
from mindlytics.server.store import Store

from ..postgres import sqlite_only
from .calls import Caller, track, turn

pytestmark = sqlite_only

DATA = Path(__file__).parent.parent / "data"
FORMAT_4 = DATA / "format4.sql"
FORMAT_6 = DATA / "format6.sql"
"""A file of version 6, and beside it what the server that wrote it answered."""
ISSUED = "mlk_iIs7CLSXkO6gRjC0Tq2nVwzYb3Me9dFh"
GIVEN = "an-app-of-mine"
"""The keys that the file of version 4 holds, one that was issued and one that was taken because any was."""


@pytest.fixture(autouse=True)
def _files_are_for_all_to_read() -> Iterator[None]:
    former = os.umask(0o022)
    yield
    os.umask(former)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of version 4."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(FORMAT_4.read_text())
    assert ISSUED.encode() in path.read_bytes()
    return path


def modes(path: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob(f"{path.name}*")}


def content(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with LocalServer(path) as server, (caller := Caller(server.url)).http:
        caller.take(track())
        assert {"x.db": 0o600, "x.db-shm": 0o600, "x.db-wal": 0o600} == modes(path)


def test_a_mode_that_was_chosen_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    Store(path).close()
    path.chmod(0o640)
    Store(path).close()
    assert {"x.db": 0o640} == modes(path)


def test_the_file_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "foreign.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="another program"):
        Store(path)
    assert {"foreign.db": 0o644} == modes(path)


def test_no_file_holds_a_key(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with LocalServer(path, api_key="pinned-key", super_key="super-key") as server:
        with (root := Caller(server.url, "super-key")).http:
            issued = root.post("/bc/v1/orgkeys", {"organization_id": "mill"}).json()["apikey"]
            root.http.put(f"{server.url}/bc/v1/orgkeys", json={"organization_id": "mill", "apikey": "brought-key"})
        for key in (issued, "pinned-key", "brought-key"):
            with (caller := Caller(server.url, key)).http:
                caller.take(turn())
                assert [] == caller.post("/conversations/v2/agents/search", {}).json()
        for key in (issued, "pinned-key", "brought-key", "super-key"):
            assert key.encode() not in content(path)


def test_the_same_key_has_another_hash_in_another_file(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "one.db"), Store(tmp_path / "other.db")
    assert one.hashed("key") != other.hashed("key")
    again = Store(tmp_path / "one.db")
    assert one.hashed("key") == again.hashed("key")
    for store in (one, other, again):
        store.close()


def test_what_is_shown_of_a_key() -> None:
    assert ["mlk_…9dFh", "…", "…"] == [shown(ISSUED), shown(GIVEN), shown("")]
    assert 32 == len(hashed("é", b"salt")) == len(hashed("\udcff", b"salt"))


def test_a_file_of_version_4_is_migrated(old: Path) -> None:
    with LocalServer(old, api_key=GIVEN, super_key="super") as server:
        with (caller := Caller(server.url, GIVEN)).http:
            assert ["of the app", "yes"] == [message["content"] for message in caller.find("messages")]
            (result,) = caller.get("/bc/v1/search", q="app").json()["results"]
            assert ("turn", "of the app") == (result["kind"], result["snippet"])
        with (caller := Caller(server.url, ISSUED)).http:
            assert ["issued", "yes"] == [message["content"] for message in caller.find("messages")]
            caller.take(track())
            (row,) = caller.get("/bc/v1/orgkeys").json()
            assert ("mill", "mlk_…9dFh") == (row["organization_id"], row["apikey"])
        with (caller := Caller(server.url, "local")).http:
            assert 403 == caller.get("/bc/v1/db/messages/find").status_code
        assert {0o600} == set(modes(old).values())
        assert ISSUED.encode() not in content(old)
        assert GIVEN.encode() not in content(old)
    with closing(sqlite3.connect(old)) as connection:
        assert (VERSION,) == connection.execute("PRAGMA user_version").fetchone()
        migrated = shape(connection)
    Store(old.parent / "new.db").close()
    with closing(sqlite3.connect(old.parent / "new.db")) as connection:
        assert shape(connection) == migrated


def test_an_idempotency_key_is_known_after_a_migration(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("UPDATE idempotency_keys SET seen_at = ?", (time.time_ns() // 1000,))
        connection.commit()
    with LocalServer(old, api_key="local") as server, (caller := Caller(server.url, "local")).http:
        assert 200 == caller.queue(turn("hi", "hello"), key="batch-1").status_code
        assert 1 == caller.one("sessions")["turn_count"]


def test_a_file_of_version_6_answers_as_before(tmp_path: Path) -> None:
    path = tmp_path / "six.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FORMAT_6.read_text("utf-8"))
    expected = json.loads((DATA / "format6.json").read_text("utf-8"))
    with LocalServer(path, analysis=None) as server, (caller := Caller(server.url)).http:
        for collection in COLLECTIONS:
            assert expected[collection] == caller.find(collection)
        include = ["user", "conversations", "events", "messages", "intents"]
        assert expected["related"] == caller.find("sessions", include=include)
        span = {"start": "2025-01-01", "end": "2026-01-01"}
        assert expected["span"] == caller.get("/bc/v1/live-events/events", **span).json()
        assert expected["insights"] == caller.get("/bc/v1/user/insights", user_id="ada").json()
        for event in expected["events"]:
            assert [event] == caller.find("events", filter={"event_id": event["event_id"]})
        with Conversations("any", f"{server.url}/conversations/v2") as api:
            assert expected["antonnia"] == [session.id for session in api.sessions.search(contact_id="bob")]


def test_what_a_file_of_version_6_holds_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "six.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FORMAT_6.read_text("utf-8"))
    with LocalServer(path) as server, (caller := Caller(server.url)).http:
        before = caller.find("events")
        caller.take(turn("later", "yes", session_id="t", device_id="phone"), turn(session_id="new"))
        (session,) = caller.find("sessions", filter={"session_id": "t"}, include=["messages"])
        assert ["later", "yes"] == [message["content"] for message in session["messages"]][-2:]
        after = caller.find("events")
        assert before == after[: len(before)]
        assert len(after) == len({event["event_id"] for event in after})
        (former,) = caller.find("events", filter={"event": "Conversation Summary"})
        caller.take(turn("later still", "yes", timestamp="2025-04-03T07:05:00.000Z"))
        assert server.settle(30)
        (summary,) = caller.find("events", filter={"event": "Conversation Summary"})
        assert former["event_id"] == summary["properties"]["replaces"]


def test_alembic_has_the_present_tables_last() -> None:
    assert REVISION == ScriptDirectory.from_config(config()).get_current_head()


def shape(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """The columns and indexes of each table."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    connection.create_function("search_words", 2, str)
    return {
        name: connection.execute(f'SELECT name, type, "notnull", pk FROM pragma_table_info({name!r})').fetchall()
        + sorted(connection.execute(f'SELECT name, "unique" FROM pragma_index_list({name!r})').fetchall())
        for name in sorted(tables)
    }


def test_a_migration_that_fails_leaves_the_file_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> str:
        raise ValueError("no")

    monkeypatch.setattr("mindlytics.server.keyhash.shown", fail)
    with pytest.raises(ValueError, match="no"):
        Store(old)
    monkeypatch.undo()
    Store(old).close()


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreError, match=f"format {VERSION + 1}"):
        Store(path)
