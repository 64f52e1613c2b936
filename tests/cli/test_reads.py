"""``show``, ``sessions``, ``search`` and ``stats``: of a server and of its database, for people and as JSON."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mindlytics import Client
from mindlytics.cli import main
from mindlytics.cli.times import as_iso
from mindlytics.server.run import LocalServer
from mindlytics.server.store import Store

from .. import postgres
from ..server.test_files import FORMAT_4, FORMAT_6

NOON = datetime(2025, 4, 3, 12, tzinfo=timezone.utc)


def run(*arguments: object) -> Result:
    """Run a command within this process, since a process for each would take most of the time."""
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module", autouse=True)
def _utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def fill(url: str) -> None:
    with Client(api_key="local", project_id="shop", server_endpoint=url) as client:
        for number, user in ((3, "ada"), (4, "bob")):
            at = f"2025-04-0{number}T10:00:00Z"
            with client.create_session(session_id=f"s{number}", conversation_id=f"c{number}", id=user) as session:
                session.start_session(timestamp=at)
                session.track_conversation_turn(
                    user=f"I am {user}", assistant="Hello\x1b[2J\nand welcome", timestamp=at, usage=0.25
                )
                session.track_function_call(name="find", args='{"n": 1}', result="ok", runtime=12.5, timestamp=at)
                session.end_session(timestamp=at)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, LocalServer]]:
    place = tmp_path_factory.mktemp("served") / "m.db"
    with LocalServer(place, analysis=None) as server:
        fill(server.url)
        yield place, server


@pytest.fixture(params=["server", "db"])
def of(request: pytest.FixtureRequest, served: tuple[Path, LocalServer]) -> tuple[object, ...]:
    """The options that name the place."""
    place, server = served
    return ("--server", server.url, "--project-id", "shop") if request.param == "server" else ("--db", place)


def said(*arguments: object) -> str:
    ended = run(*arguments)
    assert (0, "") == (ended.exit_code, ended.stderr), ended.exception
    return ended.stdout


def objects(*arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(*arguments, "--json").splitlines()]


CHAT = """\
Session s4
bob · 2025-04-04 10:00 to 10:00 · 1 turn · 1 call · $0.2500

Conversation c4

10:00:00  user       I am bob
10:00:00  assistant  Hello [2J
                     and welcome
          $0.2500
          find({"n": 1}) → ok · 12.5 ms
"""


def test_a_session_is_shown_as_a_chat(of: tuple[object, ...]) -> None:
    assert [CHAT] * 3 == [said("show", *of, *names) for names in ((), ("s4",), ("c4",))]
    session, *events = objects("show", "s3", *of)
    assert ("s3", "ada") == (session["session_id"], session["user_id"])
    names = ["Session Started", "Conversation Started", "Conversation Turn", "Conversation Function"]
    assert [*names, "Conversation Ended", "Session Ended"] == [event["event"] for event in events]


def test_sessions_are_listed(of: tuple[object, ...]) -> None:
    lines = said("sessions", *of).splitlines()
    assert ["2025-04-04 10:00  bob", "2025-04-03 10:00  ada"] == [line[:21] for line in lines]
    assert lines[0].split() == ["2025-04-04", "10:00", "bob", "1", "turn", "1", "call", "$0.2500", "s4"]

    def found(*arguments: str) -> list[str]:
        return [session["session_id"] for session in objects("sessions", *of, *arguments)]

    assert ["s4", "s3"] == found()
    assert ["s4"] == found("--limit", "1") == found("--user", "bob") == found("--since", "2025-04-04")
    assert ["s3"] == found("--until", "2025-04-04T09:00:00+01:00")


def test_words_are_found(of: tuple[object, ...]) -> None:
    line = "2025-04-04 10:00  turn      bob           s4            I am bob\n"
    assert line == said("search", "BOB", "am", *of)
    (user,) = [result for result in objects("search", "ada", *of) if result["kind"] == "user"]
    assert ["ada"] == user["aliases"]
    assert ["call", "call"] == [result["kind"] for result in objects("search", "find", *of)]
    assert ["s3"] == [result["session_id"] for result in objects("search", "find", "--user", "ada", *of)]
    assert ["call"] == [result["kind"] for result in objects("search", "find", "--limit", "1", *of)]


def test_nothing_found_is_one_sentence(of: tuple[object, ...]) -> None:
    for command in (("sessions", "--user", "nobody"), ("sessions", "--since", "7d"), ("search", "find", "--since=7d")):
        for form in ((), ("--json",)):
            ended = run(*command, *form, *of)
            assert (0, "") == (ended.exit_code, ended.stdout)
            assert f"mindlytics: nothing found at {of[1]}, project shop\n" == ended.stderr


def test_an_export_of_nothing_says_so(of: tuple[object, ...]) -> None:
    ended = run("export", "--since", "7d", *of)
    told = f"mindlytics: nothing found at {of[1]}, project shop\n"
    assert (0, "", told) == (ended.exit_code, ended.stdout, ended.stderr)


def test_sums_in_all_and_by_day(of: tuple[object, ...]) -> None:
    one = {"sessions": 1, "users": 1, "conversations": 1, "turns": 1, "calls": 1, "cost": 0.25, "intents": 0}
    one |= {"prompt_tokens": 0, "completion_tokens": 0, "fulfilled": 0}
    two = {name: 2 * number for name, number in one.items()}
    assert [two] == objects("stats", *of)
    assert [one] == objects("stats", "--until", "2025-04-04", *of)
    assert [{"day": f"2025-04-0{number}", **one} for number in (3, 4)] == objects("stats", "--by", "day", *of)
    assert [] == objects("stats", "--by", "day", "--since", "1h", *of)
    (head,) = said("stats", "--by", "day", "--since", "1h", *of).splitlines()
    assert ["day", "sessions"] == head.split()[:2]
    head, first, _ = said("stats", "--by", "day", *of).splitlines()
    assert head == "       day  sessions  users  turns  calls  tokens in/out     cost  fulfilled"
    assert first == "2025-04-03         1      1      1      1            0/0  $0.2500        0/0"


def test_an_unknown_id_is_one_sentence(of: tuple[object, ...]) -> None:
    ended = run("show", "no\x1b", *of)
    told = "mindlytics: there is no session or conversation no\\x1b\n"
    assert (2, "", told) == (ended.exit_code, ended.stdout, ended.stderr)


def refused(*arguments: object) -> str:
    """The sentence on stderr."""
    ended = run(*arguments)
    assert (2, "") == (ended.exit_code, ended.stdout)
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    assert f"mindlytics: there is no file {tmp_path}/none.db\n" == refused("sessions", "--db", tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("no database" * 1000)
    assert "text.db is no database of mindlytics" in refused("show", "--db", tmp_path / "text.db")
    later = tmp_path / "later.db"
    Store(later).close()
    assert "mindlytics: there is nothing in the database\n" == refused("stats", "--db", later)
    with closing(sqlite3.connect(later)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "was written by a newer version of mindlytics" in refused("search", "x", "--db", later)


@pytest.mark.parametrize("former", [FORMAT_4, FORMAT_6])
def test_a_file_of_an_earlier_version_is_named_and_left_as_it_is(former: Path, tmp_path: Path) -> None:
    place = tmp_path / "old.db"
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(former.read_text())
    before = place.read_bytes()
    upgrades = "was written by an earlier version of mindlytics: `mindlytics serve --db` upgrades it"
    assert f"mindlytics: {place} {upgrades}\n" == refused("sessions", "--db", place)
    assert upgrades in run("forget", "--user", "ada", "--yes", "--db", place).stderr
    assert before == place.read_bytes()


def test_a_damaged_file(tmp_path: Path) -> None:
    place = tmp_path / "m.db"
    with LocalServer(place, analysis=None) as server:
        fill(server.url)
    whole = bytearray(place.read_bytes())
    whole[16 * 1024 :] = bytes(len(whole) - 16 * 1024)
    place.write_bytes(whole)
    for command in (("sessions",), ("show",), ("search", "ada"), ("stats",)):
        assert str(place) in refused(*command, "--db", place)


def test_a_server_that_is_not_there() -> None:
    words = "mindlytics: 127.0.0.1:1: no reply (connection refused)\n"
    assert words == refused("sessions", "--server", "http://127.0.0.1:1")
    for command in (("export",), ("forget", "--user", "ada", "--yes")):
        ended = run(*command, "--server", "http://127.0.0.1:1")
        assert (1, "", words) == (ended.exit_code, ended.stdout, ended.stderr)


@pytest.mark.parametrize("command", [("show",), ("export",), ("forget", "--user", "ada", "--yes"), ("tail",)])
def test_an_address_that_is_none_of_a_server(command: tuple[str, ...]) -> None:
    for server, words in (
        ("127.0.0.1:1", "--server has no scheme: write http://127.0.0.1:1"),
        ("postgresql://127.0.0.1:1/shop", "--server must begin with http:// or https://"),
    ):
        ended = run(*command, "--server", server, "--api-key", "k", "--project-id", "p")
        assert (2, "") == (ended.exit_code, ended.stdout)
        assert words in ended.stderr


def test_a_postgresql_that_is_not_there() -> None:
    pytest.importorskip("psycopg")
    told = refused("sessions", "--db", "postgresql://u:s3cr3t@127.0.0.1:1/shop")
    assert "127.0.0.1:1/shop" in told
    assert "s3cr3t" not in told


def test_postgresql() -> None:
    with postgres.cluster() as cluster:
        url = cluster.database("reads")
        with LocalServer(url, analysis=None) as server:
            fill(server.url)
        assert [CHAT, CHAT] == [said("show", *names, "--db", url) for names in ((), ("s4",))]
        assert ["s4"] == [result["session_id"] for result in objects("search", "bob", "am", "--db", url)]
        assert (2, 0.5) == ((row := objects("stats", "--db", url)[0])["turns"], row["cost"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-04-03", "2025-04-03T00:00:00Z"),
        ("2025-04-03T10:00:00+02:00", "2025-04-03T08:00:00Z"),
        ("2h", "2025-04-03T10:00:00Z"),
        ("7d", "2025-03-27T12:00:00Z"),
        ("90s", "2025-04-03T11:58:30Z"),
        ("1w", "2025-03-27T12:00:00Z"),
    ],
)
def test_times(text: str, expected: str) -> None:
    assert expected == as_iso(text, NOON)


def test_a_time_that_is_none() -> None:
    for text in ("soon", "-1h", "2x", "999999w"):
        ended = run("sessions", f"--since={text}")
        assert 2 == ended.exit_code
        assert f"{text!r} is no time" in ended.stderr
