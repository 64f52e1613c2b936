"""``mindlytics export``: of a server, of a file and of PostgreSQL, into files that an import reads."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mindlytics import Client
from mindlytics.server.run import LocalServer

from .. import postgres
from ..conftest import eventually
from .processes import COMMAND, environment, mindlytics


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def fill(url: str, project: str, users: str = "ab") -> None:
    with Client(api_key="local", project_id=project, server_endpoint=url) as client:
        for number, user in enumerate(users, 3):
            at = f"2025-04-0{number}T10:00:00Z"
            with client.create_session(session_id=f"s{number}", id=user, attributes={"shop": "Mill"}) as session:
                session.start_session(timestamp=at)
                session.track_conversation_turn(user=f"I am {user}", assistant="Welcome", timestamp=at)
                session.end_session(timestamp=at)


def exported(*arguments: object, **more: str) -> str:
    ended = mindlytics("export", *arguments, **more)
    assert 0 == ended.returncode, ended.stderr
    return ended.stdout


def test_lines_of_a_server_by_time_and_user(server: LocalServer, project: str) -> None:
    fill(server.url, project)
    server.settle()
    asked = ("--server", server.url, "--project-id", project)
    lines = [json.loads(line) for line in exported(*asked).splitlines()]
    assert ["s3", "s4"] == [line["session_id"] for line in lines]
    assert ({"shop": "Mill"}, "I am a") == (lines[0]["metadata"], lines[0]["messages"][0]["content"])
    assert exported(*asked, "--user", "a") == exported(*asked, "--until", "2025-04-04")
    assert exported(*asked) == exported(*asked, "--since", "9999d")
    assert "" == exported(*asked, "--since", "7d")
    assert exported(*asked, "--user", "b") == exported(*asked, "--since", "2025-04-03T10:00:00.5+00:00")


def test_it_counts_what_it_wrote(server: LocalServer, project: str, tmp_path: Path) -> None:
    fill(server.url, project)
    out = tmp_path / "talks.jsonl"
    for user, words in ((("--user", "a"), "1 session"), ((), "2 sessions"), (("--since", "2026-01-01"), "0 sessions")):
        ended = mindlytics("export", "--server", server.url, "--project-id", project, "--output", out, *user)
        assert (0, f"{out}: {words}\n") == (ended.returncode, ended.stderr)


def test_a_file_is_read_beside_its_server(tmp_path: Path) -> None:
    place = tmp_path / "m.db"
    with LocalServer(place) as server:
        fill(server.url, "shop")
        server.settle()
        lines = exported("--server", server.url, "--project-id", "shop")
        assert lines == exported("--db", place)
        analysed = json.loads(lines.splitlines()[0])["analysis"]
        assert {"intents", "summary", "sentiment"} == set(analysed)
        fill(server.url, "other")
        ended = mindlytics("export", "--db", place)
        assert (1, "mindlytics: name one of the projects: other, shop\n") == (ended.returncode, ended.stderr)
        assert lines == exported("--db", place, "--project-id", "shop")
    said = exported("--db", place, "--project-id", "shop", "--output", tmp_path / "turns.csv")
    assert "" == said
    rows = list(csv.DictReader(io.StringIO((tmp_path / "turns.csv").read_text(), newline="")))
    assert [("a", "I am a"), ("b", "I am b")] == [(row["user_id"], row["user"]) for row in rows]


def test_postgresql_comes_to_the_same(tmp_path: Path) -> None:
    with postgres.cluster() as cluster:
        url = cluster.database("export")
        with LocalServer(url) as server:
            fill(server.url, "shop")
            server.settle()
            assert exported("--server", server.url, "--project-id", "shop") == exported("--db", url)


def test_an_export_is_imported_again(server: LocalServer, project: str, tmp_path: Path) -> None:
    fill(server.url, project)
    server.settle()
    asked = ("--server", server.url, "--project-id")
    exported(*asked, project, "--output", tmp_path / "out/")
    exported(*asked, project, "--output", tmp_path / "talks.jsonl")
    for place in ("out", "talks.jsonl"):
        again = f"{project}-{place}"
        ended = mindlytics("import", *asked, again, tmp_path / place)
        assert (0, "") == (ended.returncode, ended.stderr)
        server.settle()
        assert (tmp_path / "talks.jsonl").read_text() == exported(*asked, again)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--db", "nowhere.db"), 1, "there is no file"),
        (("--db", "text.db"), 1, "is no database of mindlytics"),
        (("--db", "x", "--server", "http://127.0.0.1:1"), 2, "cannot be used together"),
        (("--server", "127.0.0.1:1"), 2, "write http://127.0.0.1:1"),
        (("--server", "https://example.invalid"), 2, "api_key is missing"),
        (("--format", "parquet"), 2, "Parquet does not go to stdout"),
        (("--table", "calls"), 2, "--table is for"),
        (("--since", "noon"), 2, "'noon' is no time"),
    ],
)
def test_what_is_wrong_is_reported(arguments: tuple[str, ...], status: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but text " * 100)
    ended = mindlytics("export", *arguments, cwd=tmp_path)
    assert (status, "") == (ended.returncode, ended.stdout)
    assert words in ended.stderr
    assert ["text.db"] == [path.name for path in tmp_path.iterdir()]


def test_a_user_whom_nobody_knows(server: LocalServer, project: str) -> None:
    fill(server.url, project)
    ended = mindlytics("export", "--server", server.url, "--project-id", project, "--user", "nobody")
    assert (1, "") == (ended.returncode, ended.stdout)
    assert "no user has this id" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("output", ["talks.jsonl", "lake/"])
def test_a_signal_leaves_no_part_of_a_file(number: signal.Signals, output: str, tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    with LocalServer(chaos="latency:4s") as server:
        arguments = ["export", "--server", server.url, "--output", output]
        with subprocess.Popen(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
        ) as process:
            asyncio.run(eventually(lambda: any(path.name.startswith(".") for path in tmp_path.rglob("*"))))
            process.send_signal(number)
            assert b"mindlytics: stopped\n" == process.communicate(timeout=20)[1]
    assert 130 == process.returncode
    assert [tmp_path / "lake"] == list(tmp_path.rglob("*"))
