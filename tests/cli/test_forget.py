"""``mindlytics forget``: at a server, in its file beside it, and never without having been asked to."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from mindlytics.cli import main
from mindlytics.recorded import read
from mindlytics.server.run import LocalServer

from .processes import mindlytics
from .test_export import fill


def users_at(place: object) -> list[str | None]:
    return [session.user_id for session in read(str(place), project_id="shop").sessions()]


def test_a_server_and_a_file_forget(tmp_path: Path) -> None:
    place = tmp_path / "m.db"
    with LocalServer(place) as server:
        fill(server.url, "shop", "abc")
        server.settle()
        asked = mindlytics("forget", "--user", "a", "--yes", "--server", server.url, "--project-id", "shop")
        assert (0, "") == (asked.returncode, asked.stderr)
        assert asked.stdout.startswith("a is forgotten: 1 session, ")
        until = datetime.strptime(asked.stdout.splitlines()[-1], "New events of a stay out until %Y-%m-%d %H:%M")
        assert timedelta(days=7, minutes=-2) < until - datetime.now() <= timedelta(days=7)
        assert ["b", "c"] == users_at(server.url)
        done = mindlytics("forget", "--user", "b", "--yes", "--db", place)
        assert (0, "") == (done.returncode, done.stderr)
        fill(server.url, "shop", "abcd")
        assert ["c", "d"] == sorted(filter(None, users_at(server.url)))
        again = mindlytics("forget", "--user", "b", "--yes", "--db", place, "--keep-out", "none")
        assert "b is forgotten: 0 sessions, 0 events, 0 contacts\nNew events of b are stored\n" == again.stdout
        fill(server.url, "shop", "ab")
        assert ["b", "c", "d"] == sorted(filter(None, users_at(server.url)))
    assert b"I am a" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_time_of_ages_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "m.db"
    with LocalServer(place) as server:
        fill(server.url, "shop", "a")
        ended = mindlytics("forget", "--user", "a", "--yes", "--db", place, "--keep-out", "999999999d")
        assert 1 == ended.returncode
        assert "keep_out must be a number of seconds from 0 to ten years" in ended.stderr
        assert ["a"] == users_at(server.url)


@pytest.mark.parametrize(
    ("command", "work"),
    [
        (("forget", "--user", "a", "--yes"), "forgetting._ask"),
        (("demo",), "demonstration.run"),
        (("spool", "status", "--spool", "."), "spool._status"),
    ],
)
def test_ctrl_c_ends_with_one_line(command: tuple[str, ...], work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"mindlytics.cli.{work}", interrupt)
    ended = CliRunner().invoke(main, command)
    assert (130, "", "mindlytics: stopped\n") == (ended.exit_code, ended.stdout, ended.stderr)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--user", "a"), 2, "--yes is missing"),
        (("--yes",), 2, "Missing option '--user'"),
        (("--user", "a", "--yes", "--db", "none.db"), 1, "there is no file"),
        (("--user", "a", "--yes", "--db", "x", "--server", "http://127.0.0.1:1"), 2, "cannot be used together"),
        (("--user", "a", "--yes", "--keep-out", "soon"), 2, "must be a number with s, m, h or d"),
    ],
)
def test_what_is_wrong_is_reported(arguments: tuple[str, ...], status: int, words: str, tmp_path: Path) -> None:
    ended = mindlytics("forget", *arguments, cwd=tmp_path)
    assert status == ended.returncode
    assert words in ended.stderr
    assert [] == [*tmp_path.iterdir()]
