"""A PostgreSQL database: servers that share it, its URL and its version, and what is kept and found in it.

The other tests of this folder run over PostgreSQL, too, with ``tox -e postgres``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from mindlytics.recorded import read
from mindlytics.recorded.source import without_password
from mindlytics.server.analysis import background
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import StoreError
from mindlytics.server.store import Store

from ..postgres import ON, SECRET, Cluster
from .calls import Caller, event, track, turn
from .test_live import heard, listening


def test_servers_share_a_database(url: str) -> None:
    with LocalServer(url) as one, LocalServer(url) as two:

        def send(place: int) -> None:
            with (caller := Caller((one, two)[place % 2].url)).http:
                for number in range(10):
                    caller.take(turn(f"{place} {number}", ""))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, range(4)))
        with (caller := Caller(one.url)).http:
            messages = caller.find("messages")
            caller.take(event("end_session"))
            assert list(range(40)) == [message["index"] for message in messages]
            for place in range(4):
                said = [text for text in (message["content"] for message in messages) if text[0] == str(place)]
                assert [f"{place} {number}" for number in range(10)] == said
            assert (40, 40) == (caller.one("sessions")["turn_count"], caller.one("conversations")["turn_count"])
            assert two.settle(30)
            assert 1 == len(caller.find("events", filter={"event": "Conversation Summary"}))


async def test_events_of_one_server_are_heard_at_another(url: str) -> None:
    def send(caller: Caller, name: str) -> None:
        caller.take(event("start_session", attributes={"n": 1}), turn("Please cancel my order.", "Done."), track(name))
        caller.take(event("end_session"))

    with LocalServer(url) as one, LocalServer(url) as two, (caller := Caller(one.url)).http:
        async with listening(Caller(one.url)) as here, listening(Caller(two.url)) as there:
            await asyncio.to_thread(send, caller, "Bought")
            first, second = await heard(here, "Session Ended"), await heard(there, "Session Ended")
            assert first == second
            assert "Conversation Summary" in [found["event"] for found in second]
        async with listening(Caller(two.url)) as there:
            caller.take(track(session_id="other"))
            assert ["Session Started", "Bought"] == [found["event"] for found in await heard(there, "Bought")]


async def test_events_are_heard_at_another_after_the_database_was_away(
    running: Cluster, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mindlytics.server import notices  # psycopg is there

    monkeypatch.setattr(notices, "RETRY_SECONDS", 0.05)
    with LocalServer(url) as one, LocalServer(url) as two, (caller := Caller(one.url)).http:
        async with listening(Caller(one.url)) as here, listening(Caller(two.url)) as there:
            caller.take(track("First"))
            for socket in (here, there):
                await heard(socket, "First")
            await asyncio.to_thread(running.stop)
            await asyncio.to_thread(running.start)
            await asyncio.to_thread(wait_for_listeners, url, 2)
            caller.take(track("Second"), track("Third"))
            for socket in (here, there):
                assert ["Second", "Third"] == [found["event"] for found in await heard(socket, "Third")]


def wait_for_listeners(url: str, number: int) -> None:
    """Wait until so many connections of this database listen for notices."""
    import psycopg

    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"
    until = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as connection:
        while (found := connection.execute(query).fetchone()) != (number,):
            assert time.monotonic() < until, found
            time.sleep(0.01)


def test_what_one_server_leaves_is_analysed_by_another(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "HOLD_SECONDS", 1.5)
    with LocalServer(url) as two, LocalServer(url, analysis=None) as one, (caller := Caller(one.url)).http:
        caller.take(turn(), event("end_session"))
        assert two.settle(60)
        assert 1 == len(caller.find("events", filter={"event": "Conversation Summary"}))


def test_notices_name_events_in_ranges(running: Cluster) -> None:
    from mindlytics.server.notices import payloads, ranges  # psycopg is there

    numbers = [7, 8, 9, 4, 20, 21, *range(1000, 3000, 2)]
    found = list(payloads("me", numbers))
    assert "me 7-9,4-4,14-15,3e8-3e8" == ",".join(found[0].split(",")[:4])
    assert max(map(len, found)) < 8000
    parts = [part for payload in found for part in ranges(payload.partition(" ")[2])]
    assert numbers == [number for first, last in parts for number in range(first, last + 1)]
    largest = list(payloads("f" * 16, range(2**53 - 2000, 2**53, 2)))
    assert max(map(len, largest)) < 8000


def test_a_key_that_one_server_has_seen_is_known_to_the_other(url: str) -> None:
    with LocalServer(url) as one, LocalServer(url) as two:
        for server in (one, two):
            with (caller := Caller(server.url)).http:
                assert 200 == caller.queue(track(), key="k").status_code
                assert ["Session Started", "Bought"] == caller.names()


def test_a_password_is_never_told(running: Cluster, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = Store(url)
    assert store.database.name == f"127.0.0.1:{running.port}/{url.rpartition('/')[2]}"
    store.close()
    nowhere = url.rpartition("/")[0]
    for wrong in (f"{nowhere}/nothing", url.replace(f":{running.port}", ":1"), f"postgresql://u:{SECRET}@[/x"):
        with pytest.raises(StoreError) as caught:
            Store(wrong)
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        f"postgresql://u:p@{SECRET}@localhost/x",
        f"postgresql+psycopg2://u:{SECRET}@localhost/x",
        f"mysql://u:{SECRET}@localhost/x",
        f"redis://:{SECRET}@localhost",
    ],
)
@pytest.mark.skipif(ON, reason="any file of the tests is a database then")
def test_a_password_in_a_url_of_another_form_is_never_told(wrong: str) -> None:
    for look in (Store, lambda place: list(read(place).lines())):
        with pytest.raises(StoreError) as caught:
            look(wrong)
        assert SECRET not in str(caught.value)
    assert SECRET not in without_password(wrong)


def test_urls_of_sqlalchemy_and_in_capitals_are_taken(url: str) -> None:
    for scheme in ("postgresql+psycopg", "POSTGRES"):
        Store(url.replace("postgresql", scheme)).close()


def test_a_database_of_the_version_before_the_index_is_migrated(url: str) -> None:
    import psycopg

    with LocalServer(url, analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(turn("Where is my parcel?", ""), event("identify", id="u", traits={"plan": "gold"}))
        assert 200 == caller.queue(turn("and mine?", ""), key="for-ada").status_code
    former = (
        "DROP TRIGGER event_words_of_deleted ON events",
        "DROP TRIGGER user_words_of_deleted ON users",
        "DROP FUNCTION forget_event_words, forget_user_words",
        "DROP TABLE event_words, user_words, unindexed, forgotten, named",
        "ALTER TABLE store DROP COLUMN indexed",
        "DROP INDEX conversations_by_id, conversations_of_session",
        "ALTER TABLE conversations ADD UNIQUE (session, conversation_id)",
        "CREATE INDEX conversations_by_id ON conversations (scope, conversation_id)",
        "UPDATE idempotency_keys SET key = 'POST /bc/v1/events/queue for-ada'",
        "UPDATE alembic_version SET version_num = '0007'",
    )
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    with psycopg.connect(url, autocommit=True) as connection:
        present = connection.execute(indexes).fetchall()
        for statement in former:
            connection.execute(statement)
    with LocalServer(url, analysis=None) as server, (caller := Caller(server.url)).http:
        for words, kind in (("parcel", "turn"), ("gold", "user")):
            (result,) = caller.get("/bc/v1/search", q=words).json()["results"]
            assert kind == result["kind"]
        assert 200 == caller.queue(turn("and mine?", ""), key="for-ada").status_code
        assert 2 == caller.one("sessions")["turn_count"]
        caller.take(turn("a parcel", ""))
        assert 2 == len(caller.get("/bc/v1/search", q="parcel").json()["results"])
    with psycopg.connect(url) as connection:
        assert present == connection.execute(indexes).fetchall()


def files_with(running: Cluster, url: str, word: str) -> list[str]:
    """The files of a database that hold a word, apart from the log of writes."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        found = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert found is not None
    files = (running.directory / "data" / "base" / str(found[0])).iterdir()
    return [file.name for file in files if word.encode() in file.read_bytes()]


def record_and_analyze(caller: Caller, url: str) -> None:
    """Record a person, and one of whom nothing is to be left, as far as PostgreSQL has samples of both."""
    import psycopg

    quokka = {"user_id": "quokka", "device_id": "quokkas"}
    caller.take(*[turn("a quokka", f"{number}", **quokka) for number in range(3)], turn("b", session_id="b"))
    caller.take(event("identify", id="quokka", traits={"name": "quokka"}, **quokka), event("end_session", **quokka))
    assert 2 == len({row["kind"] for row in caller.get("/bc/v1/search", q="quokka").json()["results"]})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def test_no_file_of_the_database_holds_a_person_who_is_forgotten(running: Cluster, url: str) -> None:
    with LocalServer(url) as server, (caller := Caller(server.url)).http:
        record_and_analyze(caller, url)
        assert len(files_with(running, url, "quokka")) > 5
        assert 200 == caller.post("/bc/v1/user/forget", {"id": "quokka"}).status_code
        assert [] == files_with(running, url, "quokka")
        assert ["b"] == [row["session_id"] for row in caller.find("sessions")]
        assert [] == caller.get("/bc/v1/search", q="quokka").json()["results"]
        assert 1 == len(caller.get("/bc/v1/search", q="b").json()["results"])


def test_who_still_sees_a_person_holds_up_the_deletion(
    running: Cluster, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from mindlytics.server import postgres

    monkeypatch.setattr(postgres, "STATEMENT_SECONDS", 1)
    with LocalServer(url) as server, (caller := Caller(server.url)).http:
        record_and_analyze(caller, url)
        with psycopg.connect(url) as other:
            other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT 1")
            reply = caller.post("/bc/v1/user/forget", {"id": "quokka"})
            assert (503, True) == (reply.status_code, "another program reads" in reply.json()["message"])
        assert 200 == caller.post("/bc/v1/user/forget", {"id": "quokka"}).status_code
        assert [] == files_with(running, url, "quokka")


def test_sums_by_day(url: str) -> None:
    with LocalServer(url, analysis=None) as server, (caller := Caller(server.url)).http:
        caller.take(turn(), turn(session_id="t", timestamp="2025-04-04T00:00:00Z"))
        days = caller.get("/bc/v1/stats", by="day").json()["results"]
        assert [("2025-04-03", 1), ("2025-04-04", 1)] == [(day["day"], day["turns"]) for day in days]


def test_a_database_of_another_encoding_is_refused(running: Cluster, url: str) -> None:
    import psycopg

    for encoding in ("LATIN1", "SQL_ASCII"):
        name = f"e{encoding.lower()}"
        with psycopg.connect(running.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        with pytest.raises(StoreError, match=f"must have the encoding UTF8, and has {encoding}"):
            Store(url.rpartition("/")[0] + f"/{name}")


def test_a_client_encoding_plays_no_part(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with LocalServer(url) as server, (caller := Caller(server.url)).http:
        caller.take(turn("Привет", ""))
        assert ["Привет"] == [row["content"] for row in caller.find("messages")]


def test_the_schema_that_the_url_names_is_used(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mine")
        with LocalServer(f"{url}?options=-csearch_path%3Dmine") as server, (caller := Caller(server.url)).http:
            caller.take(turn())
            assert 1 == len(caller.get("/bc/v1/search", q="hi").json()["results"])
            assert 200 == caller.post("/bc/v1/user/forget", {"id": "u"}).status_code
        found = connection.execute("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'events'").fetchall()
    assert [("mine",)] == found


@pytest.mark.parametrize(("few", "span"), [(2_000, 500), (0, 500), (0, 1), (2, 3), (2_000, 2)])
def test_few_and_many_matches_come_in_the_same_order(
    url: str, monkeypatch: pytest.MonkeyPatch, few: int, span: int
) -> None:
    from mindlytics.server.search import postgres  # psycopg is there

    monkeypatch.setattr(postgres, "FEW", few)
    monkeypatch.setattr(postgres, "SPAN", span)
    said = [(number, (7, 3, 9, 1, 5, 9, 8, 9, 2)[number % 9]) for number in range(18)]
    with LocalServer(url, analysis=None) as server, (caller := Caller(server.url)).http:
        for number, hour in said:
            at = f"2025-04-03T0{hour}:00:00Z"
            caller.take(turn(f"parcel {number}", "", timestamp=at), turn(f"letter {number}", "", timestamp=at))
        caller.take(event("identify", id="u", traits={"has": "parcel"}))
        expected = [f"parcel {number}" for number, _ in sorted(said, key=lambda each: (each[1], each[0]))][::-1]
        for order, first in (("time", ["parcel"]), ("rank", [])):
            pages, cursor = [], ""
            while cursor is not None:
                found = caller.get("/bc/v1/search", q="parcel", order=order, limit="5", cursor=cursor).json()
                pages += [result["snippet"] for result in found["results"]]
                cursor = found["next"]
            assert [*first, *expected] == pages
        found = caller.get(
            "/bc/v1/search", q="parcel", since="2025-04-03T05:00:00Z", until="2025-04-03T09:00:00Z"
        ).json()
        between = {f"parcel {number}" for number, hour in said if 5 <= hour < 9}
        assert [text for text in expected if text in between] == [result["snippet"] for result in found["results"]]
        assert [] == caller.get("/bc/v1/search", q="parcel", since="2025-04-04", until="2025-04-05").json()["results"]


def test_reads_are_planned_for_the_words_that_they_search(url: str) -> None:
    store = Store(url)
    try:
        with store.database.reading(lambda: False) as connection:
            for number in range(12):
                connection.execute(text("SELECT CAST(:number AS bigint)"), {"number": number})
            prepared = connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    finally:
        store.close()
    assert 0 == prepared


def test_a_database_of_another_program_is_left_as_it_is(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE events (x int)")
        with pytest.raises(StoreError, match="another program"):
            Store(url)
        connection.execute("DROP TABLE events")
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
        for look in (Store, lambda place: list(read(place).lines())):
            with pytest.raises(StoreError, match="another program"):
                look(url)
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert [("alembic_version",)] == names


def test_an_id_with_a_nul_is_refused_and_a_text_with_one_is_stored(url: str) -> None:
    with LocalServer(url) as server, (caller := Caller(server.url)).http:
        reply = caller.queue(track(session_id="a\0b"))
        assert (400, True) == (reply.status_code, "U+0000" in reply.json()["message"])
        caller.take(turn("a\0b", "c", properties={"x": "\0"}))
        (found,) = caller.find("events", filter={"properties.assistant": "c"})
        assert ("a\0b", "\0") == (found["properties"]["user"], found["properties"]["x"])
        assert 400 == caller.get("/bc/v1/db/events/find", filter={"event": "\0"}).status_code
