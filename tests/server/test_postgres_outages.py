"""A PostgreSQL database that goes away, breaks off, or forbids something: what is answered, and how it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from mindlytics.server.records import Records
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import StoreError
from mindlytics.server.store import Store
from mindlytics.server.unavailable import Unavailable

from ..postgres import SECRET, Cluster
from .calls import Caller, event, track, turn


def test_a_database_that_goes_away_is_answered_with_503_until_it_is_back(
    running: Cluster, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalServer(url) as server, (caller := Caller(server.url)).http:
        assert 200 == caller.queue(track("First"), key="1").status_code
        running.stop()
        try:
            reply = caller.queue(track("Second"), key="2")
            assert (503, "1") == (reply.status_code, reply.headers["Retry-After"])
            assert "the database cannot be reached" == reply.json()["message"]
            assert 503 == caller.get("/bc/v1/db/events/find").status_code
            assert 503 == caller.get("/healthz").status_code
        finally:
            running.start()
        assert 200 == caller.get("/healthz").status_code
        for number, name in enumerate(("First", "Second", "Third"), 1):
            assert 200 == caller.queue(track(name), key=str(number)).status_code
        assert ["Session Started", "First", "Second", "Third"] == caller.names()
        caller.take(event("end_session", attributes={"n": 1}))
        assert server.settle(30)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("breaking", "status"),
    [("PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(30)", 503), ("RAISE 'no more'", 500)],
)
def test_events_whose_insertion_breaks_off_are_not_stored_and_later_ones_are(
    url: str, breaking: str, status: int
) -> None:
    import psycopg

    with LocalServer(url) as server, (caller := Caller(server.url)).http, psycopg.connect(url, autocommit=True) as db:
        caller.take(turn("one", ""))
        body = f"BEGIN IF NEW.properties LIKE '%two%' THEN {breaking}; END IF; RETURN NEW; END"
        db.execute(
            f"CREATE FUNCTION breaking() RETURNS trigger LANGUAGE plpgsql AS '{body.replace(chr(39), chr(39) * 2)}'"
        )
        db.execute("CREATE TRIGGER breaking BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION breaking()")
        assert status == caller.queue(turn("one and a half", ""), turn("two", "")).status_code
        db.execute("DROP TRIGGER breaking ON events")
        caller.take(turn("three", ""))
        assert ["one", "three"] == [message["content"] for message in caller.find("messages")]
        assert 2 == caller.one("sessions")["turn_count"]


def test_reads_go_on_over_new_connections(url: str) -> None:
    import psycopg

    with LocalServer(url, analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(track())
        for _ in range(4):
            caller.names()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        for _ in range(4):
            assert ["Session Started", "Bought"] == caller.names()


def test_a_connection_that_takes_no_rollback_is_replaced(url: str) -> None:
    import psycopg

    lost = psycopg.OperationalError("sending query failed: cannot exit pipeline mode")

    def fail(*_: object) -> None:
        raise lost

    def break_off(records: Records) -> None:
        driver: Any = records.connection.connection.driver_connection
        driver.rollback = fail
        raise lost

    with LocalServer(url) as server, (caller := Caller(server.url)).http:
        with pytest.raises(Unavailable):
            server.store.submit(break_off).result(20)
        assert 200 == caller.get("/healthz").status_code
        caller.take(track())


def test_a_database_that_was_restarted_is_written_at_once(running: Cluster, url: str) -> None:
    store = Store(url)
    try:
        first = store.submit(lambda records: records.number()).result()
        running.stop()
        running.start()
        assert first + 1 == store.submit(lambda records: records.number()).result()
    finally:
        store.close()


def test_what_no_index_can_hold_is_refused_and_does_not_stop_others(url: str) -> None:
    long = "".join(map(chr, range(0x4E00, 0x4E00 + 5_000)))
    with LocalServer(url) as server, (caller := Caller(server.url)).http:
        for name in (long, "a\0b"):
            reply = caller.post("/conversations/v2/sessions", {"contact_id": name, "contact_name": "x"})
            assert (422, True) == (reply.status_code, reply.json()["detail"].startswith("a text must be "))
        assert 200 == caller.get("/healthz").status_code
        caller.take(turn())


@pytest.mark.parametrize("change", ["SET default_transaction_read_only = on", "RESET SESSION AUTHORIZATION"])
def test_a_database_that_forbids_writes_is_answered_with_503(url: str, change: str) -> None:
    import psycopg

    role = "r" + url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT ALL ON SCHEMA public TO {role}")
        theirs = url.replace("tests:", f"{role}:")
        with LocalServer(theirs) as server, (caller := Caller(server.url)).http:
            caller.take(turn())
            connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
            if "read_only" in change:
                connection.execute(f"ALTER ROLE {role} {change}")
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role])
                assert 503 == caller.queue(turn()).status_code  # the connection was lost
            reply = caller.queue(turn())
            assert (503, "1") == (reply.status_code, reply.headers["Retry-After"])
            assert "the database does not allow it: " in reply.json()["message"]
            assert 503 == caller.get("/healthz").status_code
        with pytest.raises(StoreError, match="cannot be opened: "):
            Store(theirs)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that wait for seconds only."""
    monkeypatch.setattr("mindlytics.server.postgres.CONNECT_SECONDS", 2)
    monkeypatch.setattr("mindlytics.server.postgres.Driver.patience", 2.0)


@pytest.mark.usefixtures("hasty")
def test_a_database_that_stands_still_is_answered_with_503_until_it_goes_on(running: Cluster, url: str) -> None:
    with LocalServer(url, read_timeout=1) as server, (caller := Caller(server.url)).http:
        caller.take(track("First"))
        assert 200 == caller.get("/bc/v1/db/events/find").status_code
        running.freeze()
        try:
            for reply in (caller.get("/bc/v1/db/events/find"), caller.queue(track("Second"), key="2")):
                assert (503, "the database cannot be reached") == (reply.status_code, reply.json()["message"])
        finally:
            running.thaw()
        assert 200 == caller.queue(track("Second"), key="2").status_code
        assert ["Session Started", "First", "Second"] == caller.names()


@pytest.mark.usefixtures("hasty")
def test_a_server_ends_though_its_database_stands_still(running: Cluster, url: str) -> None:
    server = LocalServer(url, read_timeout=1)
    try:
        with server, (caller := Caller(server.url)).http:
            caller.take(track("First"))
            assert 200 == caller.get("/bc/v1/db/events/find").status_code
            running.freeze()
    finally:
        running.thaw()


def test_a_migration_may_take_its_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    monkeypatch.setattr("mindlytics.server.postgres.STATEMENT_SECONDS", 1)
    Store(url).close()
    with psycopg.connect(url) as db:
        db.execute("UPDATE alembic_version SET version_num = 'earlier'")
    monkeypatch.setattr(
        "mindlytics.server.postgres.migrate",
        lambda connection, *_: connection.exec_driver_sql("SELECT pg_sleep(1.5)"),
    )
    store = Store(url)
    try:
        shown = store.submit(lambda records: records.connection.exec_driver_sql("SHOW statement_timeout").scalar())
        assert "1s" == shown.result()
    finally:
        store.close()


def test_a_machine_that_no_longer_answers_is_noticed_by_all_connections(url: str) -> None:
    store = Store(url)
    try:
        connections = [store.database.open(), store.database.reading(lambda: False)]
        for connection in connections:
            with connection:
                driver: Any = connection.connection.driver_connection
                chosen = driver.info.get_parameters()
                assert ("10000", "10") == (chosen["tcp_user_timeout"], chosen["keepalives_idle"])
    finally:
        store.close()
