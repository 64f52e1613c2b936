"""``mindlytics serve``: it prints its addresses, ends on a signal, and says in one line why it cannot start."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from mindlytics import HTTPClient
from mindlytics.antonnia import Conversations

from ..sink import Sink
from .processes import ROOT, Running, Stored, environment, mindlytics, running

PROGRAM = """
from mindlytics import Client
with Client() as client, client.create_session(id="me") as session:
    session.track_conversation_turn(user="Hello!", assistant="Good morning.")
"""


def refused(*arguments: object, cwd: Path = ROOT) -> str:
    """The one line of a server that does not start."""
    ended = mindlytics("serve", *arguments, cwd=cwd)
    assert (2, "") == (ended.returncode, ended.stdout)
    lines = ended.stderr.splitlines()
    assert 1 == len(lines), ended.stderr
    return lines[0]


def test_a_program_reaches_it_with_the_variables_that_it_prints(server: Running) -> None:
    variables = dict(re.findall(r"export (\w+)=(\S+)", server.said))
    assert {"MLSDK_SERVER_BASE", "MLSDK_API_KEY", "MLSDK_PROJECT_ID"} == set(variables)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment(**variables),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (0, b"") == (ended.returncode, ended.stderr)
    stored = Stored(server.url, variables["MLSDK_PROJECT_ID"], variables["MLSDK_API_KEY"])
    assert [("Hello!", "Good morning.")] == stored.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_what_came_in_stays(number: int, tmp_path: Path) -> None:
    event = {"type": "track", "event": "Kept", "session_id": "s", "user_id": "u"}
    with running("serve", "--port", 0, "--db", "kept.db", until="Ctrl-C", cwd=tmp_path) as command:
        assert f"Database: {tmp_path.resolve() / 'kept.db'}\n" in command.said
        with HTTPClient(server_endpoint=command.url, api_key="local", project_id="local") as http:
            http.send_request(method="POST", url="/bc/v1/events/queue", data=[event])
        assert (0, "Stopped.\n", "") == command.stop(number)
    with running("serve", "--port", 0, "--db", "kept.db", until="Ctrl-C", cwd=tmp_path) as command:
        assert 1 == len(Stored(command.url).find("events", filter={"event": "Kept"}))


def test_a_key_is_asked_for_where_one_is_given_and_never_printed(tmp_path: Path) -> None:
    with running("serve", "--port", 0, "--api-key", "s3cret", until="Ctrl-C", cwd=tmp_path) as command:
        assert "s3cret" not in command.said
        page = re.search(r"in a browser, once: (http://127\.0\.0\.1:\d+/\?token=\S+)\n", command.said)
        assert page is not None
        assert "<h1>Sessions</h1>" in requests.get(page[1], headers={"Accept": "text/html"}, timeout=20).text
        assert [] == Stored(command.url, api_key="s3cret").find("sessions")
        with HTTPClient(server_endpoint=command.url, api_key="other", project_id="local") as http:
            assert 403 == http.send_request(method="GET", url="/bc/v1/db/sessions/find")["status"]


def test_it_opens_the_page_in_a_browser(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" >{opened}.part && mv {opened}.part {opened}\n', "utf-8")
    browser.chmod(0o755)
    with running("serve", "--port", 0, "--open", until="Ctrl-C", cwd=tmp_path, BROWSER=f"{browser} %s") as command:
        until = time.monotonic() + 30
        while not opened.exists():
            assert time.monotonic() < until, "no browser was started"
            time.sleep(0.01)
        assert f"{command.url}/" == opened.read_text("utf-8")


def test_with_a_super_key_keys_are_made_first(tmp_path: Path) -> None:
    arguments = ("serve", "--port", 0, "--host", "0.0.0.0")
    with running(*arguments, until="Ctrl-C", cwd=tmp_path, SUPER_API_KEY="sup3r") as command:
        base = re.search(r"MLSDK_SERVER_BASE=(http://127\.0\.0\.1:\d+)\n", command.said)
        assert base is not None
        assert "sup3r" not in command.said
        assert "<a key made with the super key>" in command.said
        with HTTPClient(server_endpoint=base[1], api_key="local", project_id="local") as http:
            assert 403 == http.send_request(method="GET", url="/bc/v1/db/sessions/find")["status"]
        with HTTPClient(server_endpoint=base[1], api_key="sup3r", project_id="local") as http:
            made = http.send_request(method="POST", url="/bc/v1/orgkeys", data={"organization_id": "mill"})
        assert [] == Stored(base[1], api_key=made["apikey"]).find("sessions")


def test_it_answers_conversations_and_posts_webhooks(tmp_path: Path, sink: Sink) -> None:
    arguments = ("--webhook", sink.url, "--reply", "Noted: {text}")
    with running("serve", "--port", 0, *arguments, until="Ctrl-C", cwd=tmp_path) as command:
        with Conversations("local", f"{command.url}/conversations/v2", trust_env=False) as conversations:
            session = conversations.sessions.create("ada", "Ada")
            conversations.sessions.messages.create(session.id, {"type": "text", "text": "milk"})
            conversations.sessions.reply(session.id)
            said = conversations.sessions.messages.search(session.id)
            assert ["milk", "Noted: milk"] == [message.content.words for message in said]
        sink.wait(lambda: len(sink.requests) == 3)
    assert ["session.created", "message.created", "message.created"] == [r.json["type"] for r in sink.requests]
    assert "the webhook's address must be of the form http://" in refused("--webhook", "nowhere", cwd=tmp_path)


def test_it_misbehaves_on_demand(tmp_path: Path) -> None:
    with running("serve", "--port", 0, "--chaos", "418:100%", until="Ctrl-C", cwd=tmp_path) as command:
        assert "\nChaos: 418:100%\n" in command.said
        with HTTPClient(server_endpoint=command.url, api_key="local", project_id="local") as http:
            assert 418 == http.send_request(method="GET", url="/bc/v1/db/sessions/find")["status"]
            assert {"418": 1} == http.send_request(method="GET", url="/_chaos")["met"]
    assert "chaos: reset:1: a share must be from 0% to 100%" in refused("--chaos", "reset:1", cwd=tmp_path)


def test_with_a_key_it_listens_on_every_address(tmp_path: Path) -> None:
    arguments = ("serve", "--port", 0, "--host", "0.0.0.0", "--api-key", "s3cret")
    with running(*arguments, until="Ctrl-C", cwd=tmp_path) as command:
        base = re.search(r"MLSDK_SERVER_BASE=(http://127\.0\.0\.1:\d+)\n", command.said)
        assert base is not None
        assert [] == Stored(base[1], api_key="s3cret").find("sessions")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in refused("--port", port, cwd=tmp_path)


def test_a_file_other_than_a_database(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("Milk, bread, eggs. " * 100)
    assert "not a SQLite database" in refused("--db", "notes.db", cwd=tmp_path)


def test_a_database_of_another_program(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    assert "another program" in refused("--db", "other.db", cwd=tmp_path)


@pytest.mark.parametrize("db", ["nowhere/mindlytics.db", "."])
def test_a_place_where_no_file_can_be_made(db: str, tmp_path: Path) -> None:
    assert "cannot be opened" in refused("--db", db, cwd=tmp_path)


def test_an_address_open_to_others_wants_a_key(tmp_path: Path) -> None:
    assert "API key" in refused("--host", "0.0.0.0", cwd=tmp_path)


ANALYSIS = """
from mindlytics.server.analysis import Findings

def shout(dialogue):
    return Findings(summary=dialogue.steps[0].user.upper())
"""


def test_an_analysis_of_your_own_is_found_in_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ANALYSIS)
    with running("serve", "--port", 0, "--analysis", "mine:shout", until="Ctrl-C", cwd=tmp_path) as command:
        variables = dict(re.findall(r"export (\w+)=(\S+)", command.said))
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment(**variables), timeout=30, check=True)
        with HTTPClient(server_endpoint=command.url, api_key="local", project_id="local") as http:
            event = {"type": "end_session", "session_id": "s", "user_id": "u"}
            turn = {"type": "track", "event": "Conversation Turn", "session_id": "s", "user_id": "u"}
            turn |= {"conversation_id": "c", "properties": {"user": "hello", "assistant": "hi"}}
            http.send_request(method="POST", url="/bc/v1/events/queue", data=[turn])
            made = http.send_request(method="POST", url="/bc/v1/events/event/end-session", data=event)
        assert ["HELLO"] == [e["properties"]["summary"] for e in made if e["event"] == "Conversation Summary"]


@pytest.mark.parametrize("name", ["mine", "no.such.module:f", "json:no_such"])
def test_an_analysis_that_is_not_there(name: str, tmp_path: Path) -> None:
    assert name in refused("--port", 0, "--analysis", name, cwd=tmp_path)


# -- keys


def test_keys_come_from_files_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    variables = {"SUPER_API_KEY": "sup3r"}
    with running("serve", "--port", 0, "--api-key-file", "key", until="Ctrl-C", cwd=tmp_path, **variables) as command:
        assert [] == Stored(command.url, api_key="s3cret").find("sessions")
    with running("serve", "--port", 0, until="Ctrl-C", cwd=tmp_path, MINDLYTICS_API_KEY="s3cret") as command:
        assert [] == Stored(command.url, api_key="s3cret").find("sessions")
        with HTTPClient(server_endpoint=command.url, api_key="local", project_id="local") as http:
            assert 403 == http.send_request(method="GET", url="/bc/v1/db/sessions/find")["status"]


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("--api-key", ""), {}, "'--api-key'"),
        (("--super-key", " "), {}, "'--super-key'"),
        ((), {"MINDLYTICS_API_KEY": ""}, "MINDLYTICS_API_KEY is empty"),
        ((), {"SUPER_API_KEY": ""}, "SUPER_API_KEY is empty"),
        (("--api-key-file", "empty"), {}, "empty is empty"),
        (("--api-key-file", "nowhere"), {}, "'nowhere': No such file"),
        (("--api-key-file", "empty", "--api-key", "k"), {}, "cannot be used together"),
        (("--allowed-host", "http://host"), {}, "http://host is not a host name"),
    ],
)
def test_an_empty_key_starts_no_server(
    arguments: tuple[str, ...], variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n")
    ended = mindlytics("serve", "--port", 0, *arguments, cwd=tmp_path, **variables)
    assert (2, "") == (ended.returncode, ended.stdout)
    assert said in " ".join(ended.stderr.replace("│", " ").split())


def test_a_client_does_not_take_an_empty_key(tmp_path: Path) -> None:
    for arguments, variables in ((("--api-key", ""), {}), ((), {"MLSDK_API_KEY": ""})):
        ended = mindlytics("tail", *arguments, cwd=tmp_path, **variables)
        assert 2 == ended.returncode
        assert "empty" in ended.stderr


# -- files in the current directory


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "mindlytics"], [str(Path(sys.executable).parent / "mindlytics")]]
)
def test_files_of_the_current_directory_do_not_run(command: list[str], tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for name in ("google", "protobuf", "uvloop", "nltk", "genai_prices", "click", "aiohttp"):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name!r})")
    with (
        running("serve", "--port", 0, until="Ctrl-C", cwd=tmp_path, command=command) as server,
        requests.Session() as http,
    ):
        http.trust_env = False
        path = f"{server.url}/ingestion.v1alpha.IngestionService/CollectEvents"
        headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
        assert 200 == http.post(path, json={"events": []}, headers=headers, timeout=20).status_code
    assert not ran.exists()


def test_an_analysis_of_yours_is_found_in_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def analyse(conversation): return None")
    (tmp_path / "google.py").write_text("raise SystemExit('it hides what is installed')")
    with running("serve", "--port", 0, "--analysis", "mine:analyse", until="Ctrl-C", cwd=tmp_path) as server:
        assert [] == Stored(server.url).find("sessions")
