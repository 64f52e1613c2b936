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
from mindlytics.transcripts.sources import inside

from .processes import COMMAND, Running, Stored, environment, mindlytics

TEA = {
    "conversation_id": "tea",
    "user_id": "dana",
    "timestamp": "2025-04-03T12:00:00Z",
    "metadata": {"shop": "Mill Street", "tables": 7, "open": {"from": 8}},
    "messages": [
        {"role": "system", "content": "You serve tea."},
        {"role": "user", "content": "Which tea is there?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "search", "arguments": '{"kind": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": '["green"]'},
        {"role": "assistant", "content": "Green.", "timestamp": "2025-04-03T12:00:05Z"},
        {"role": "user", "content": "Then that.", "timestamp": "2025-04-03T12:01:00Z"},
    ],
}
COFFEE = {"messages": [{"role": "assistant", "content": "Coffee?"}, {"role": "user", "content": "No."}]}
SAID = [("search", '{"kind": 1}', '["green"]'), ("Which tea is there?", "Green."), ("Then that.", "")]


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def figures(summary: str) -> dict[str, str]:
    """The summary's rows."""
    return {name.strip(): value for name, value in (row.rsplit(maxsplit=1) for row in summary.splitlines())}


def counted(summary: str) -> dict[str, int]:
    return {name: int(value) for name, value in figures(summary).items() if name not in ("seconds", "events/s")}


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


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/2.json", "a/1.json", ".git/objects/3.json", "a/.4.json", "0.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written(tmp_path / name, TEA)
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(Path(path).name), scandir(path))[1])
    assert ["0.json", "1.json", "2.json"] == [path.name for path in inside(tmp_path)]
    assert [tmp_path.name, "a", "b"] == listed


def test_a_folder_without_conversations_is_reported(tmp_path: Path) -> None:
    written(tmp_path / ".hidden.json", TEA)
    ended = mindlytics("import", "--dry-run", tmp_path)
    assert (0, "mindlytics: no conversation found\n") == (ended.returncode, ended.stderr)


def test_explain_shows_what_a_file_comes_to(tmp_path: Path) -> None:
    bad, plain = {"messages": [{"role": "cook"}]}, {"messages": [{"role": "user", "content": "Hi"}]}
    ended = mindlytics("import", "--explain", written(tmp_path / "chats.jsonl", TEA, bad, plain))
    assert 1 == ended.returncode
    for words in (
        "openai_chat, 2 turns, 1 function call,",
        "openai_chat, 1 turn, 0 function calls, without times",
        "user: Which tea is there?",
        "left out: system messages (1)",
    ):
        assert words in ended.stdout


def test_explain_counts_what_it_does_not_show_of_a_long_file(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    seen = {
        "messages": [{"role": "user", "content": ["Tea?", image]}, {"role": "user", "content": [{"type": "smell"}]}]
    }
    file = written(tmp_path / "chats.jsonl", *[seen] * 4, *["Dear diary,"] * 5)
    ended = mindlytics("import", "--explain", file)
    assert (1, 3, 3) == (ended.returncode, ended.stdout.count("1 turn,"), ended.stdout.count("is no JSON"))
    assert [
        f"{file}: 1 more conversation, 2 more problems",
        "left out: parts of type image_url (4)",
        "not read: parts of type smell (4)",
    ] == ended.stdout.splitlines()[-3:]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that nobody can read")
def test_explain_goes_on_behind_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    ended = mindlytics("import", "--explain", "/proc/self/mem", written(tmp_path / "chats.jsonl", TEA))
    assert (1, "") == (ended.returncode, ended.stderr)
    assert "/proc/self/mem: reading failed: " in ended.stdout
    assert "user: Which tea is there?" in ended.stdout


def test_names_of_keys_are_given(tmp_path: Path) -> None:
    talk = {"turns": [{"who": "user", "said": "Tea?"}, {"who": "bot", "said": "Yes."}]}
    file = written(tmp_path / "chats.jsonl", talk)
    ended = mindlytics("import", "--dry-run", "--map", "messages=turns,role=who,text=said", file)
    assert {"sessions": 1, "turns": 1, "problems": 0}.items() <= counted(ended.stdout).items()
    table = written(tmp_path / "chats.csv", "no;wer;was", "1;Kunde;Tee?", "1;Agent;Ja.")
    ended = mindlytics("import", "--dry-run", "--map", "conversation_id=no,role=wer,text=was", table)
    assert {"sessions": 1, "turns": 1, "format csv_messages": 1}.items() <= counted(ended.stdout).items()
    assert 2 == mindlytics("import", "--dry-run", "--map", "role", file).returncode


@pytest.mark.parametrize("option", ["--dry-run", "--explain"])
def test_a_mapped_key_that_no_record_has_is_reported(option: str, tmp_path: Path) -> None:
    file = written(tmp_path / "chats.jsonl", {"messages": [{"who": "user", "content": "Tea?"}]})
    ended = mindlytics("import", option, "--map", "role=who,text=said", file)
    assert 0 == ended.returncode
    assert [f"no record has the key {key!r} of --map" in ended.stdout + ended.stderr for key in ("who", "said")] == [
        False,
        True,
    ]


def test_a_format_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def read(record):\n"
        "    said = [('user', record['q']), ('assistant', record['a'])]\n"
        "    return {'messages': [{'role': role, 'content': text} for role, text in said]}\n"
    )
    file = written(tmp_path / "chats.jsonl", {"q": "Tea?", "a": "Yes."})
    ended = mindlytics("import", "--dry-run", "--format", "mine:read", file, cwd=tmp_path)
    assert {"sessions": 1, "turns": 1, "format read": 1}.items() <= counted(ended.stdout).items()
    assert 2 == mindlytics("import", "--dry-run", "--format", "nothing", file).returncode


def test_strict_makes_unknown_parts_problems(tmp_path: Path) -> None:
    odd = {"messages": [{"role": "user", "content": ["Tea?", {"type": "hologram"}]}]}
    file = written(tmp_path / "chats.jsonl", odd)
    lax, strict = (mindlytics("import", "--dry-run", *more, file) for more in ([], ["--strict"]))
    assert (0, 1) == (lax.returncode, strict.returncode)
    assert "is not read, 1 times: parts of type hologram" in strict.stderr
    assert "not read: parts of type hologram 1" in lax.stdout


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
