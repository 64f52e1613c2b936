"""The examples, each run as its reader would run it, and what a local server has of them afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from mindlytics import HTTPClient
from mindlytics.antonnia import Conversations
from mindlytics.antonnia.codec import to_json
from mindlytics.antonnia.types import Model
from mindlytics.server.run import LocalServer

from .programs import SLOW

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(name: str, *flags: str, **settings: str) -> str:
    """Run an example to its end, in development mode unless there are flags; what it printed.

    :param settings: all that is set of the package in its environment.
    """
    ran = subprocess.run(
        [sys.executable, "-W", "error", *(flags or ("-X", "dev")), EXAMPLES / name],
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (ran.returncode, SLOW.sub("", ran.stderr))
    return ran.stdout


class Place:
    """A local server, settings that lead to it, and what it has stored."""

    def __init__(self, server: LocalServer) -> None:
        self.settings = {
            "MLSDK_SERVER_BASE": server.url,
            "MLSDK_API_KEY": "any",
            "MLSDK_PROJECT_ID": "examples",
        }
        self._http = HTTPClient(api_key="any", project_id="examples", server_endpoint=server.url)

    def find(self, collection: str, **query: Any) -> Any:
        return self._http.send_request(method="GET", url=f"/bc/v1/db/{collection}/find", data=query)

    def one(self, collection: str, **query: Any) -> Any:
        return self._http.send_request(method="GET", url=f"/bc/v1/db/{collection}/findOne", data=query)

    def events(self, session_id: str) -> list[str]:
        """The names of the events of a session, but for what the analysis adds when it likes."""
        recorded = {"session_id": session_id, "properties.analysis": {"$exists": False}}
        return [event["event"] for event in self.find("events", filter=recorded)]

    def run(self, name: str) -> str:
        """Run an example to its end with this server. Returns its output."""
        return run(name, **self.settings)

    @contextmanager
    def serve(self, *command: str) -> Iterator[str]:
        """Run an example that serves. Yields its address."""
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self.settings},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield match[0]
                    break
            else:
                raise AssertionError(f"it ended with: {said}")
            process.terminate()
            process.communicate(timeout=30)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def place() -> Iterator[Place]:
    with LocalServer() as server:
        made = Place(server)
        with made._http:
            yield made


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.02)


def test_script(place: Place) -> None:
    assert "6 of 6 events delivered\n" == place.run("script.py")
    session = place.one("sessions", include=["user"])
    assert {"channel": "terminal"} == session["attributes"]
    assert {"plan": "pro", "seats": 3} == session["user"]["traits"]
    assert (1, 1, 41, 9) == tuple(
        session[count] for count in ("turn_count", "function_count", "prompt_tokens", "completion_tokens")
    )
    assert {"days": 2, "paid": False} == place.one("events", filter={"event": "Parcel Rescheduled"})["properties"]
    assert "Session Ended" == place.events(session["session_id"])[-1]


def test_cron_job_delivers_at_its_exit(place: Place) -> None:
    assert "3 reminders sent\n" == place.run("cron_job.py")
    sessions = place.find("sessions")
    assert ["ada", "grace", "alan"] == [session["user_id"] for session in sessions]
    assert all(session["ended_at"] for session in sessions)
    turns = place.find("events", filter={"event": "Conversation Turn"})
    assert [3, 12, 1] == [turn["properties"]["days"] for turn in turns]


def test_past_data(place: Place) -> None:
    assert "10 delivered, 0 refused, 0 dropped\n" == place.run("past_data.py")
    session = place.one("sessions", filter={"session_id": "call-1843"}, include=["events"])
    assert {"channel": "phone", "region": "eu", "agent": "bot-7"} == session["attributes"]
    assert 8 * 60 == session["duration"]
    assert all(event["timestamp"].startswith("2025-04-03T09:0") for event in session["events"])
    refund, order = (
        place.one("conversations", filter={"conversation_id": f"call-1843-{name}"}) for name in ("refund", "order")
    )
    assert {"topic": "refund", "settled": True} == refund["properties"]
    assert (2, 1, 0.003) == (refund["turn_count"], refund["function_count"], pytest.approx(refund["cost"]))
    assert {"line": 1, "rating": 4} == order["attributes"]
    assert (1, 12, 5) == (order["turn_count"], order["prompt_tokens"], order["completion_tokens"])


def test_live(place: Place) -> None:
    said = [line.split("  ")[0] for line in place.run("live.py").splitlines()]
    assert "Session Started" == said[0]
    assert "Session Ended" == said[-1]
    assert {"Conversation Turn", "Offer Shown", "Intent Informed", "Conversation Summary"} < set(said)


def test_align() -> None:
    assert [
        "Align AI: 6 events delivered",
        "mindlytics: 2 of 2 events delivered",
        "align: 4 of 4 events delivered",
        "chat-1 1 user: Where is my parcel?",
        "chat-1 2 assistant: It arrives tomorrow before noon.",
        "chat-2 1 user: And the other one?",
        "chat-2 2 assistant: On Friday.",
    ] == run("align.py").splitlines()


def test_flask(place: Place) -> None:
    with (
        place.serve("flask", "--app", "examples/flask_app.py", "run", "--port", "0") as url,
        requests.Session() as http,
    ):
        http.trust_env = False
        http.headers["X-User"] = "ada"
        chats = [http.post(f"{url}/chats", timeout=30).json()["chat"] for _ in range(2)]
        for chat in chats:
            for text in ("Hello!", "How are you?"):
                reply = http.post(f"{url}/chats/{chat}/turns", json={"text": text}, timeout=30)
                assert {"text": f"You said: {text}"} == reply.json()
            http.delete(f"{url}/chats/{chat}", timeout=30)
        wait_until(lambda: all("Session Ended" in place.events(chat) for chat in chats))
    for chat in chats:
        session = place.one("sessions", filter={"session_id": chat}, include=["messages"])
        assert ("ada", 2, {"app": "flask", "ended_by": "user"}) == (
            session["user_id"],
            session["turn_count"],
            session["attributes"],
        )
        said = [message["content"] for message in session["messages"]]
        assert ["Hello!", "You said: Hello!", "How are you?", "You said: How are you?"] == said


def test_fastapi_delivers_what_is_pending_when_it_is_stopped(place: Place) -> None:
    serving = place.serve("uvicorn", "examples.fastapi_app:app", "--port", "0")
    with serving as url, requests.Session() as http:
        http.trust_env = False
        chat = http.post(f"{url}/chats", timeout=30).json()["chat"]
        turn = http.post(f"{url}/chats/{chat}/turns", json={"text": "opening hours"}, timeout=30)
        assert {"text": "Nothing was found for: opening hours"} == turn.json()
        http.post(f"{url}/chats/{chat}/user", json={"user": "ada"}, timeout=30)
        http.delete(f"{url}/chats/{chat}", timeout=30)
    assert [
        "Session Started",
        "Conversation Started",
        "Conversation Function",
        "Conversation Turn",
        "User Identified",
        "Conversation Ended",
        "Session Ended",
    ] == place.events(chat)
    session = place.one("sessions", filter={"session_id": chat}, include=["user"])
    assert ({"app": "fastapi"}, "ada") == (session["attributes"], session["user"]["id"])


SERVES_ITSELF = ("-b",)
"""Flags for examples that run a server in their own process. In development mode, its loop would report every delay."""


def test_antonnia_support() -> None:
    assert [
        "1 session from Portugal",
        "user: Where is my parcel?",
        "assistant: I looked up “Where is my parcel?” for you.",
        "user: And the invoice?",
        "assistant: I looked up “And the invoice?” for you.",
        "closed",
        "4 events delivered",
        "the session must be open, it is closed",
    ] == run("antonnia_support.py", *SERVES_ITSELF).splitlines()


def test_antonnia_async() -> None:
    assert [
        "user: Hello, I need help with my account",
        "assistant: You said: Hello, I need help with my account",
        "['ada', 'alan', 'edsger', 'grace']",
    ] == run("antonnia_async.py", *SERVES_ITSELF).splitlines()


@pytest.mark.parametrize(
    "command",
    [
        ("flask", "--app", "examples/antonnia_flask.py", "run", "--port", "0"),
        ("uvicorn", "examples.antonnia_fastapi:app", "--port", "0"),
    ],
    ids=["flask", "fastapi"],
)
def test_antonnia_webhooks(place: Place, command: tuple[str, ...]) -> None:
    base = place.settings["MLSDK_SERVER_BASE"]
    with (
        Conversations("any", f"{base}/conversations/v2", trust_env=False) as conversations,
        place.serve(*command) as url,
        requests.Session() as http,
    ):
        http.trust_env = False

        def post(type: str, object: Model) -> requests.Response:
            event = {
                "id": "evt",
                "created_at": "2025-04-03T09:00:00Z",
                "type": type,
                "data": {"object": to_json(object)},
            }
            return http.post(f"{url}/hooks", json=event, timeout=30)

        session = conversations.sessions.create("ada", "Ada")
        message = conversations.sessions.messages.create(session.id, {"type": "text", "text": "Hello!"})
        assert (200, {"id": "evt"}) == ((reply := post("message.created", message)).status_code, reply.json())
        said = conversations.sessions.messages.search(session.id)
        assert ["Hello!", "You said: Hello!"] == [each.content.words for each in said]
        assert 200 == post("session.finished", conversations.sessions.finish(session.id)).status_code
        wait_until(lambda: "Session Ended" in place.events(session.id))
        assert 422 == http.post(f"{url}/hooks", data="{}", timeout=30).status_code
    assert [("ada", 1)] == [(each["user_id"], each["turn_count"]) for each in place.find("sessions")]
