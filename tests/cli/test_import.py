"""``mindlytics import``: files arrive whole and in order, and problems are reported with their place."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mindlytics.settings import Settings
from mindlytics.transcripts import Problem, Summary, Transcript, Turn, read
from mindlytics.transcripts.recording import Recording

from .chats import COFFEE, TEA, counted, written
from .processes import COMMAND, Running, Stored, environment, mindlytics

SAID = [("search", '{"kind": 1}', '["green"]'), ("Which tea is there?", "Green."), ("Then that.", "")]


def imported(server: Running, project: str, *arguments: object, **more: Any) -> dict[str, int]:
    """Import without problems, and return the counts."""
    ended = mindlytics("import", "--server", server.url, "--project-id", project, *arguments, **more)
    assert (0, "") == (ended.returncode, ended.stderr)
    return counted(ended.stdout)


def test_turns_and_calls_arrive_in_order(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", {**TEA, "metadata": {"shop": "Mill Street", "tables": 7}}, COFFEE)
    assert {
        "format openai_chat": 2,
        "left out: system messages": 1,
        "lines": 2,
        "sessions": 2,
        "turns": 4,
        "function calls": 1,
        "delivered": 9,
        "refused": 0,
        "dropped": 0,
        "problems": 0,
    } == imported(server, project, file)
    assert SAID == stored.said(conversation_id="tea")
    tea, coffee = stored.find("sessions", include=["user"], sort={"started_at": 1})
    assert [("", "Coffee?"), ("No.", "")] == stored.said(session_id=coffee["session_id"])
    assert ("dana", {"shop": "Mill Street", "tables": 7}) == (tea["user"]["id"], tea["attributes"])
    assert ("2025-04-03T12:00:00.000Z", "2025-04-03T12:01:00.000Z") == (tea["started_at"], tea["ended_at"])
    assert coffee["user"]["id"].startswith("ml_")


def test_the_same_file_twice_makes_no_second_set(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    transcript = {**COFFEE, "session_id": "given"}
    file = written(tmp_path / "chats.jsonl", {**TEA, "user_id": None, "metadata": None}, transcript)
    imported(server, project, file)
    before = [stored.find(collection) for collection in ("sessions", "conversations", "users")]
    said = stored.said()
    imported(server, project, file)
    after = [stored.find(collection) for collection in ("sessions", "conversations", "users")]
    assert said == stored.said()
    assert [2, 2, 2] == [len(rows) for rows in before]
    for collection, key in enumerate(("session_id", "conversation_id", "user_id")):
        assert [row[key] for row in before[collection]] == [row[key] for row in after[collection]]


def test_bad_lines_are_reported_with_their_place_and_the_rest_goes_through(
    server: Running, project: str, stored: Stored, tmp_path: Path
) -> None:
    good = {**TEA, "metadata": None}
    first = written(tmp_path / "first.jsonl", "Dear diary,", good, "", {"messages": [{"role": "cook"}]})
    second = written(tmp_path / "second.jsonl", COFFEE, {"messages": None})
    ended = mindlytics("import", "--server", server.url, "--project-id", project, first, second)
    assert 1 == ended.returncode
    roles = "user, assistant, tool, function, system, developer, event"
    assert [
        f"{first}:1: is no JSON: Expecting value at character 1",
        f"{first}:4: messages[0].role must be one of {roles}, got 'cook'",
        f"{second}:2: messages must be a list, got NoneType",
    ] == ended.stderr.splitlines()
    wanted = {"lines": 5, "sessions": 2, "turns": 4, "function calls": 1, "delivered": 9, "problems": 3}
    assert wanted.items() <= counted(ended.stdout).items()
    assert SAID == stored.said(conversation_id="tea")


def test_nested_metadata_is_reported_and_sent_as_text(
    server: Running, project: str, stored: Stored, tmp_path: Path
) -> None:
    file = written(tmp_path / "chats.jsonl", TEA)
    ended = mindlytics("import", "--server", server.url, "--project-id", project, file)
    assert 0 == ended.returncode
    assert ["mindlytics: attributes.open was changed: a nested container became JSON text"] == ended.stderr.splitlines()
    assert {"from": 8} == json.loads(stored.find("sessions")[0]["attributes"]["open"])


def test_an_event_that_does_not_arrive_is_reported_with_its_place(
    server: Running, project: str, stored: Stored, tmp_path: Path
) -> None:
    giant = {"messages": [{"role": "user", "content": "tea " * 400_000}, {"role": "assistant", "content": "Stop."}]}
    file = written(tmp_path / "chats.jsonl", {**TEA, "metadata": None}, giant, COFFEE)
    ended = mindlytics("import", "--server", server.url, "--project-id", project, file)
    assert 1 == ended.returncode
    assert f"{file}:2: 1 event not delivered, " in ended.stderr
    figures = counted(ended.stdout)
    assert (1, 11) == (figures["refused"] + figures["dropped"], figures["delivered"])
    assert 5 == len(stored.said())


def test_a_dry_run_counts_and_sends_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", TEA, COFFEE, COFFEE)
    ended = mindlytics("import", "--dry-run", "--server", "https://unreachable.invalid", file)
    assert (0, "") == (ended.returncode, ended.stderr)
    wanted = {"lines": 3, "sessions": 3, "turns": 6, "function calls": 1, "problems": 0, "format openai_chat": 3}
    assert {**wanted, "left out: system messages": 1} == counted(ended.stdout)
    bad = written(tmp_path / "bad.jsonl", "{")
    assert 1 == mindlytics("import", "--dry-run", bad).returncode


def test_a_terminal_shows_how_far_it_is(tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", TEA, COFFEE)
    terminal, theirs = os.openpty()
    try:
        ended = subprocess.run(
            [*COMMAND, "import", "--dry-run", str(file)],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=environment(TERM="xterm"),
            timeout=60,
            check=False,
        )
    finally:
        os.close(theirs)
    with open(terminal, "rb", buffering=0) as screen:
        shown = b""
        while b"2 conversations, " not in shown:
            shown += screen.read(4096)
    assert (0, 2) == (ended.returncode, counted(ended.stdout.decode())["sessions"])


def test_stdin_plain_and_gzipped(server: Running, project: str, stored: Stored) -> None:
    plain = json.dumps({**TEA, "metadata": None}).encode()
    imported(server, project, "-", stdin=plain)
    assert SAID == stored.said(conversation_id="tea")
    zipped = gzip.compress(plain.replace(b'"tea"', b'"more tea"'))
    imported(server, project, "-", stdin=zipped)
    assert SAID == stored.said(conversation_id="more tea")


def test_gzipped_files(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps({**TEA, "metadata": None}).encode()))
    imported(server, project, file)
    assert SAID == stored.said(conversation_id="tea")


def test_a_torn_gzip_file_is_reported_and_the_next_file_goes_through(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress(json.dumps({**TEA, "note": os.urandom(5000).hex()}).encode())[:-1000])
    ended = mindlytics("import", "--dry-run", torn, written(tmp_path / "whole.jsonl", TEA))
    assert 1 == ended.returncode
    assert ended.stderr.startswith(f"{torn}: reading failed: ")
    assert {"sessions": 1, "problems": 1}.items() <= counted(ended.stdout).items()


def test_the_environment_says_where_to(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", {**TEA, "metadata": None})
    ended = mindlytics(
        "import",
        file,
        MLSDK_SERVER_BASE=server.url,
        MLSDK_API_KEY="local",
        MLSDK_PROJECT_ID=project,
        MLSDK_SAMPLE_RATE="0",
        HTTP_PROXY="http://127.0.0.1:9",
    )
    assert (0, "") == (ended.returncode, ended.stderr)
    assert SAID == stored.said()


def test_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    ended = mindlytics("import", "--server", url, written(tmp_path / "chats.jsonl", TEA))
    assert (1, "") == (ended.returncode, ended.stdout)
    assert f"mindlytics: {url} cannot be used: no reply (connection refused)\n" == ended.stderr


def test_a_server_that_goes_away_for_good_stops_the_import(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings = {"server_endpoint": url, "api_key": "a", "project_id": "p", "retry_for": 0, "trust_env": False}
    problems: list[tuple[str, str]] = []
    summary = Summary()
    taken = []
    lines = [json.dumps({**TEA, "metadata": None, "conversation_id": str(number)}) for number in range(200)]

    def items() -> Iterator[tuple[str, Transcript | Problem]]:
        for item in read(lines):
            taken.append(item.where)
            yield item.where, item

    with Recording(Settings.load(settings), summary, lambda *words: problems.append(words), connections=1) as recording:
        recording.take_all(items())
    assert 200 > len(taken)
    assert "line 1" == summary.stopped
    assert [("mindlytics", f"{url} no longer answers (no reply: connection refused): stopped")] == problems


@pytest.mark.parametrize("missing", ["--api-key", "--project-id"])
def test_another_machine_wants_credentials(missing: str, tmp_path: Path) -> None:
    keys = {"--api-key": "k", "--project-id": "p"}
    options = [part for name, value in keys.items() if name != missing for part in (name, value)]
    file = written(tmp_path / "chats.jsonl", TEA)
    ended = mindlytics("import", "--server", "https://unreachable.invalid", *options, file)
    assert 2 == ended.returncode
    assert f"{missing} is missing" in ended.stderr


@pytest.mark.parametrize("options", [(), ("--api-key", "k", "--project-id", "p")])
def test_an_address_without_a_scheme(options: tuple[str, ...], tmp_path: Path) -> None:
    ended = mindlytics("import", "--server", "localhost:5100", *options, written(tmp_path / "chats.jsonl", TEA))
    assert 2 == ended.returncode
    assert "--server has no scheme: write http://localhost:5100" in ended.stderr


def test_an_address_that_is_none(tmp_path: Path) -> None:
    options = ("--server", "http://[", "--api-key", "k", "--project-id", "p")
    ended = mindlytics("import", *options, written(tmp_path / "chats.jsonl", TEA))
    assert (1, 1) == (ended.returncode, len(ended.stderr.splitlines()))
    assert "server_endpoint" in ended.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = mindlytics("import", tmp_path / "none.jsonl")
    assert 2 == ended.returncode
    assert "does not exist" in ended.stderr


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import runpy; runpy.run_module('mindlytics')"
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert 1 == ended.returncode
    assert 1 == len(ended.stderr.splitlines())
    assert "install 'mindlytics[local]'" in ended.stderr


def test_a_file_of_what_is_stored_is_passed_over(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    file, noted = written(tmp_path / "chats.jsonl", {**TEA, "metadata": None}, COFFEE), tmp_path / "stored"
    assert 9 == imported(server, project, "--resume", noted, file)["delivered"]
    again = imported(server, project, "--resume", noted, written(tmp_path / "more.jsonl", TEA | {"metadata": None}))
    assert {"stored before": 1, "delivered": 0}.items() <= again.items()
    other = imported(server, f"{project}-2"[-100:], "--resume", noted, file)
    assert 9 == other["delivered"]
    bad = written(tmp_path / "bad", "no database" * 100)
    ended = mindlytics("import", "--server", server.url, "--resume", bad, file)
    assert (1, True) == (ended.returncode, "is no checkpoint" in ended.stderr)


def test_conversations_without_ids_and_times_are_stored_once(
    server: Running, project: str, stored: Stored, tmp_path: Path
) -> None:
    file = written(tmp_path / "chats.jsonl", COFFEE, COFFEE)
    for _ in range(2):
        imported(server, project, file)
        assert 2 == len(stored.find("sessions"))
        assert 4 == len(stored.said())


def test_several_processes_share_the_files(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    for number in range(5):
        tea = {**TEA, "metadata": None, "conversation_id": f"tea {number}"}
        written(tmp_path / f"{number}.jsonl", tea, *(["Dear diary,"] if number == 3 else []))
    ended = mindlytics(
        "import",
        "--server",
        server.url,
        "--project-id",
        project,
        "--jobs",
        2,
        "--resume",
        tmp_path / ".stored",
        tmp_path,
    )
    assert (1, f"{tmp_path / '3.jsonl'}:2: is no JSON: Expecting value at character 1\n") == (
        ended.returncode,
        ended.stderr,
    )
    assert {"sessions": 5, "turns": 10, "delivered": 25, "problems": 1}.items() <= counted(ended.stdout).items()
    assert 15 == len(stored.said())


def test_models_tokens_and_feedback_arrive(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "Yes.", "model": "m-1", "assistant_id": "waiter"}
    answer |= {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4}, "feedback": "thumbs_up"}
    file = written(tmp_path / "chats.jsonl", {"messages": [{"role": "user", "content": "Tea?"}, answer]})
    imported(server, project, file)
    turn = stored.find("events", filter={"event": "Conversation Turn"})[0]["properties"]
    wanted = {"model": "m-1", "prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4, "assistant_id": "waiter"}
    assert wanted.items() <= turn.items()
    feedback = stored.find("events", filter={"event": "Feedback"})[0]["properties"]
    assert {"feedback": "thumbs_up", "turn": 1}.items() <= feedback.items()


def test_times_are_of_the_time_zone_that_is_named(
    server: Running, project: str, stored: Stored, tmp_path: Path
) -> None:
    file = written(tmp_path / "chats.jsonl", COFFEE | {"date": "2025-04-03"})
    imported(server, project, "--timezone", "Europe/Vienna", file)
    assert "2025-04-02T22:00:00.000Z" == stored.find("sessions")[0]["started_at"]


@pytest.mark.skipif("MINDLYTICS_TRANSCRIPTS" not in os.environ, reason="no file of real transcripts is given")
def test_real_transcripts_arrive_whole_and_in_order(server: Running, project: str, stored: Stored) -> None:
    file = Path(os.environ["MINDLYTICS_TRANSCRIPTS"])
    with file.open("rb") as lines:
        wanted = [item for item in read(lines) if isinstance(item, Transcript)]
    summary = imported(server, project, file)
    steps = [step for transcript in wanted for step in transcript.steps]
    assert len(steps) + 2 * len(wanted) == summary["delivered"]
    arrived = Counter(event["event"] for event in stored.find("events", projection={"event": 1}))
    turns = sum(isinstance(step, Turn) for step in steps)
    assert (turns, len(steps) - turns) == (arrived["Conversation Turn"], arrived["Conversation Function"])
    for transcript in wanted:
        said = [
            (step.user, step.assistant) if isinstance(step, Turn) else (step.name, step.args, step.result)
            for step in transcript.steps
        ]
        assert said == stored.said(session_id=transcript.session["session_id"])


def test_many_conversations_share_a_request(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", {**TEA, "metadata": None}, COFFEE)
    options = ("--resume", tmp_path / "stored", "--batch", file)
    assert 9 == imported(server, project, *options)["delivered"]
    assert (2, 0) == tuple(imported(server, project, *options)[name] for name in ("stored before", "delivered"))
    alone = mindlytics("import", "--batch", file)
    assert 2 == alone.returncode
    assert "--batch needs --resume FILE" in alone.stderr


def test_several_processes_share_a_large_file(server: Running, project: str, stored: Stored, tmp_path: Path) -> None:
    long = {"role": "system", "content": "x" * 1024 * 1024}
    talks = [{"messages": [long, *COFFEE["messages"]]} for _ in range(9)]
    counts = imported(server, project, "--jobs", "2", written(tmp_path / "chats.jsonl", *talks))
    assert (9, 18, 36) == tuple(counts[name] for name in ("sessions", "turns", "delivered"))
    assert counts == imported(server, project, written(tmp_path / "chats.jsonl", *talks))
    assert 18 == len(stored.said())
