"""``mindlytics tail``: live events in a terminal or a pipe, through restarts of the server, until its reader leaves."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest
from rich.console import Console

from mindlytics import Client, MLEvent
from mindlytics.cli.tail import line, write_lines
from mindlytics.server.run import LocalServer

from .processes import COMMAND, ROOT, Running, environment, mindlytics


@contextmanager
def tailing(
    url: str, *arguments: object, project: str = "local", stdout: int | TextIO = subprocess.PIPE, **more: str
) -> Iterator[subprocess.Popen[str]]:
    """A tail that listens."""
    process = subprocess.Popen(
        [*COMMAND, "tail", "--server", url, "--project-id", project, *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(**more),
        encoding="utf-8",
    )
    try:
        assert process.stderr is not None
        line = f"mindlytics: listening to {url}, project {project}. Press Ctrl-C to stop.\n"
        assert line == process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def read(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def record(url: str, project: str = "local", **session: Any) -> None:
    with (
        Client(server_endpoint=url, api_key="local", project_id=project, trust_env=False) as client,
        client.create_session(**{"id": "ada", "session_id": "s1", **session}) as recorded,
    ):
        recorded.track_event(event="Parcel Rescheduled", properties={"days": 2, "paid": False, "by": "phone"})


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_events_come_as_lines_and_ctrl_c_ends_it_quietly(server: Running, project: str) -> None:
    with tailing(server.url, project=project) as process:
        record(server.url, project)
        lines = [words.split(maxsplit=1)[1] for words in read(process, 3)]
        assert [
            "Session Started        ada           s1",
            "Parcel Rescheduled     ada           s1            days=2  paid=false  by=phone",
            "Session Ended          ada           s1",
        ] == lines
        assert (0, "", "") == interrupted(process)


def test_what_was_stored_since_a_time_comes_first(server: Running, project: str) -> None:
    record(server.url, project, session_id="before")
    with tailing(server.url, "--since", "1h", "--event", "Parcel Rescheduled", project=project) as process:
        (before,) = read(process, 1)
        record(server.url, project, session_id="after")
        (after,) = read(process, 1)
        assert ["before", "after"] == [line.split()[4] for line in (before, after)]
        assert (0, "", "") == interrupted(process)
    with tailing(server.url, "--since", "2h", "--session", "after", "--json", project=project) as process:
        assert {"after"} == {json.loads(line)["session_id"] for line in read(process, 3)}


def test_json_is_what_the_service_sent(server: Running, project: str) -> None:
    with tailing(server.url, "--json", project=project) as process:
        record(server.url, project)
        events = [json.loads(words) for words in read(process, 3)]
    assert ["Session Started", "Parcel Rescheduled", "Session Ended"] == [event["event"] for event in events]
    assert {"days": 2, "paid": False, "by": "phone"} == events[1]["properties"]
    assert ("ada", "s1", project) == tuple(events[1][name] for name in ("user_id", "session_id", "app_id"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--session", "s2"], [("grace", "Session Started"), ("grace", "Parcel Rescheduled")]),
        (["--user", "grace"], [("grace", "Session Started"), ("grace", "Parcel Rescheduled")]),
        (["--event", "Session Ended"], [("ada", "Session Ended"), ("grace", "Session Ended")]),
        (
            ["--event", "Session Ended", "--user", "grace", "--user", "alan"],
            [("grace", "Session Ended"), ("alan", "Session Ended")],
        ),
    ],
    ids=["session", "user", "event", "both"],
)
def test_what_is_asked_for(server: Running, project: str, options: list[str], expected: list[tuple[str, str]]) -> None:
    with tailing(server.url, "--json", *options, project=project) as process:
        for number, user in enumerate(["ada", "grace", "alan"], 1):
            record(server.url, project, id=user, session_id=f"s{number}")
        events = [json.loads(words) for words in read(process, 2)]
    assert expected == [(event["user_id"], event["event"]) for event in events]


def test_a_user_is_known_by_any_id(server: Running, project: str) -> None:
    with (
        Client(server_endpoint=server.url, api_key="local", project_id=project, trust_env=False) as client,
        client.create_session(device_id="phone") as early,
        client.create_session(device_id="tablet") as late,
    ):
        early.user_identify(id="bob")
        late.track_event(event="Unknown")
        client.flush()
        with tailing(server.url, "--json", "--user", "bob", "--user", "eve", project=project) as process:
            early.track_event(event="Parcel Rescheduled")
            client.flush()
            events = read(process, 1)
            late.track_event(event="Still Unknown")
            client.flush()
            late.user_identify(id="eve")
            late.track_event(event="Known")
            client.flush()
            events += read(process, 2)
    shown = [json.loads(words) for words in events]
    assert ["Parcel Rescheduled", "User Identified", "Known"] == [event["event"] for event in shown]
    assert all(event["user_id"].startswith("ml_") for event in shown)


def test_into_a_pipe_lines_go_whole_even_in_colour(server: Running, project: str) -> None:
    with tailing(server.url, "--event", "Long", project=project, FORCE_COLOR="1") as process:
        with Client(server_endpoint=server.url, api_key="local", project_id=project, trust_env=False) as client:
            client.create_session(id="ada").track_event(event="Long", properties={"text": "x" * 500})
        (shown,) = read(process, 1)
    assert "x" * 500 == re.sub(r"\x1b\[[\d;]*m", "", shown).partition("text=")[2]


def test_without_a_stdout_it_says_so(server: Running) -> None:
    closing = f"{shlex.join(COMMAND)} tail --server {server.url} >&-"
    ended = subprocess.run(
        closing, shell=True, check=False, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True, timeout=60
    )
    assert (1, "mindlytics: stdout is closed\n") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["lines", "json"])
def test_it_ends_quietly_when_its_reader_is_gone(server: Running, project: str, options: list[str]) -> None:
    with tailing(server.url, *options, project=project) as process:
        record(server.url, project)
        read(process, 1)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        record(server.url, project, session_id="s2")
        assert (0, "") == (process.wait(30), process.stderr.read())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no file that is always full")
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["lines", "json"])
def test_what_cannot_be_written_is_reported_in_one_line(server: Running, project: str, options: list[str]) -> None:
    with Path("/dev/full").open("w") as full, tailing(server.url, *options, project=project, stdout=full) as process:
        record(server.url, project)
        assert process.stderr is not None
        assert (1, "mindlytics: cannot write: No space left on device\n") == (process.wait(30), process.stderr.read())


def test_a_terminal_that_lacks_letters_gets_others(server: Running, project: str) -> None:
    with tailing(server.url, "--event", "Session Started", project=project, PYTHONIOENCODING="ascii") as process:
        record(server.url, project, id="Zoë")
        assert " Zo? " in read(process, 1)[0]


def test_it_waits_for_a_server_and_continues_when_one_comes_back(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "one.db") as first:
        url, port = first.url, int(first.url.rpartition(":")[2])
    with tailing(url, "--json", "--event", "Session Ended") as process:
        assert process.stderr is not None
        assert "live events unavailable" in process.stderr.readline()
        for session_id in ("s1", "s2"):
            with LocalServer(tmp_path / "one.db", port):
                record(url, session_id=session_id)
                assert session_id == json.loads(*read(process, 1))["session_id"]
        assert 0 == interrupted(process)[0]


def test_a_refusal_is_reported_in_one_line() -> None:
    with LocalServer(api_key="another") as server:
        ended = mindlytics("tail", "--server", server.url)
    assert (1, "") == (ended.returncode, ended.stdout)
    assert "mindlytics: no live events (status 403): no organization has this API key\n" in ended.stderr


def test_a_key_is_needed_for_another_machine() -> None:
    ended = mindlytics("tail", "--server", "https://app.example.org")
    assert 2 == ended.returncode
    assert "--api-key is missing" in ended.stderr


def event(event: str, /, **properties: Any) -> MLEvent:
    return MLEvent(
        session_id="5f0c2a9e-7b1c-4c52",
        timestamp="2025-04-03T12:00:00Z",
        event=event,
        user_id="ada",
        properties=properties,
    )


@pytest.mark.parametrize(
    ("live_event", "words"),
    [
        (event("Conversation Turn", user="Hi", assistant="Yo", cost=0.1), "Hi → Yo  cost=0.1"),
        (event("Conversation Function", name="find", args="{}", result="7", runtime=3), "find({}) → 7  runtime=3"),
        (event("Conversation Summary", summary="All is well", sentiment="positive"), "All is well  sentiment=positive"),
        (event("Intent Closed", sentiment="neutral", intent="cancel order"), "cancel order  sentiment=neutral"),
        (event("MLError", error_message="no such model"), "no such model"),
        (event("Bought", text="a\nb\x1b[31m\u202ec"), "text=a b [31m c"),
    ],
)
def test_a_line_says_it_all_and_commands_no_terminal(live_event: MLEvent, words: str) -> None:
    shown = line(live_event).plain
    assert shown.endswith(f"  5f0c2a9e-7b…  {words}"), shown


def test_columns_stay_columns_where_letters_are_wide() -> None:
    event = MLEvent(session_id="s", timestamp="2025-04-03T12:00:00Z", event="予約変更", user_id="山田太郎山田太郎")
    _, _, rest = line(event).plain.partition("  ")
    assert "予約変更               山田太郎山 …  s" == rest


def test_a_terminal_gets_colours_and_lines_of_its_width() -> None:
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    console = Console(file=out, force_terminal=True, width=80, color_system="standard", highlight=False)
    write_lines([event("MLError", error_message="[bold]x" * 50), event("Session Ended")], console)
    first, second, rest = out.getvalue().split("\n")
    assert "\x1b[1;31m  MLError" in first
    assert "\x1b[36m  Session Ended" in second
    plain = re.sub(r"\x1b\[[\d;]*m", "", first)
    assert (80, True, True) == (len(plain), "[bold]x[bold]" in plain, plain.endswith("…"))
    assert "" == rest
