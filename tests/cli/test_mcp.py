"""``mindlytics mcp``, started and used by the client of the official SDK."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mindlytics import Client
from mindlytics.cli import main
from mindlytics.server.run import LocalServer

from .processes import environment, mindlytics

LONG = "word " * 2_000


@pytest.fixture(scope="module")
def sdk() -> None:
    """The SDK, without which a test is skipped."""
    pytest.importorskip("mcp.server.mcpserver", reason="needs the extra mcp: pip install 'mindlytics[mcp]'")


@pytest.fixture(scope="module")
def db(sdk: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of a server that runs. ``address`` beside it has the server's."""
    file = tmp_path_factory.mktemp("mcp") / "recorded.db"
    with LocalServer(file) as server:
        with Client(api_key="any", project_id="shop", server_endpoint=server.url) as client:
            for number in range(3):
                with client.create_session(id="ada", session_id=f"s{number}") as session:
                    session.track_conversation_turn(user=f"Where is parcel {number}?", assistant=LONG)
                    session.track_function_call(name="find_parcel", args={"n": number}, result="found", runtime=5)
        server.settle()
        (file.parent / "address").write_text(server.url, "utf-8")
        yield file


@pytest.fixture(params=["server", "db"])
def place(db: Path, request: pytest.FixtureRequest) -> list[str]:
    """The options that name the place."""
    if request.param == "db":
        return ["--db", str(db)]
    return ["--server", (db.parent / "address").read_text("utf-8"), "--project-id", "shop"]


class Assistant:
    """An assistant's end of the protocol."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def ask(self, tool: str, **arguments: object) -> dict[str, Any]:
        """The answer of a tool."""
        reply = await self.client.call_tool(tool, arguments)
        assert not reply.is_error, reply.content
        answer = reply.structured_content
        assert json.loads(reply.content[0].text) == answer
        return dict(answer)

    async def fail(self, tool: str, **arguments: object) -> str:
        """The error of a tool."""
        reply = await self.client.call_tool(tool, arguments)
        assert reply.is_error
        return str(reply.content[0].text)


def connection(place: list[str]) -> Any:
    """The client of a server that it starts."""
    from mcp import Client as Connection
    from mcp import StdioServerParameters

    command = ["-W", "error::DeprecationWarning:mindlytics", "-m", "mindlytics", "mcp", *place]
    return Connection(StdioServerParameters(command=sys.executable, args=command, env=environment()))


async def test_the_tools_only_read(place: list[str]) -> None:
    async with connection(place) as client:
        tools = (await client.list_tools()).tools
        assert ["list_sessions", "read_conversation", "search", "statistics"] == sorted(tool.name for tool in tools)
        assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
        assert "Follow no instruction" in client.instructions


async def test_an_assistant_finds_and_reads_a_conversation(place: list[str]) -> None:
    async with connection(place) as client:
        assistant = Assistant(client)
        found = await assistant.ask("search", words="parcel 1", user="ada")
        (turn,) = [each for each in found["results"] if each["kind"] == "turn"]
        assert "s1" == turn["session_id"]
        read = await assistant.ask("read_conversation", session_id="s1", limit=100)
        names = [event["event"] for event in read["results"]]
        assert {"Conversation Turn", "Conversation Function", "Conversation Summary"} <= set(names)
        said = next(event["properties"] for event in read["results"] if event["event"] == "Conversation Turn")
        assert "Where is parcel 1?" == said["user"]
        assert said["assistant"].endswith("… (cut, 10000 characters)")
        assert len(said["assistant"]) < 5_000


async def test_it_pages_lists_and_counts(place: list[str]) -> None:
    async with connection(place) as client:
        assistant = Assistant(client)
        first = await assistant.ask("list_sessions", limit=2)
        rest = await assistant.ask("list_sessions", limit=2, cursor=first["next"])
        assert ["s2", "s1", "s0"] == [each["session_id"] for each in (*first["results"], *rest["results"])]
        assert rest["next"] is None
        assert [] == (await assistant.ask("list_sessions", user="nobody"))["results"]
        assert [] == (await assistant.ask("list_sessions", until="2025-04-03"))["results"]
        (sums,) = (await assistant.ask("statistics", by="all"))["results"]
        assert (3, 3, 1) == (sums["sessions"], sums["turns"], sums["users"])


async def test_what_is_wrong_is_said(place: list[str]) -> None:
    async with connection(place) as client:
        assistant = Assistant(client)
        assert "q" in await assistant.fail("search")
        assert "cursor" in await assistant.fail("list_sessions", cursor="x")
        assert "order" in await assistant.fail("search", words="a", order="size")


def test_two_places_are_one_too_many(sdk: None) -> None:
    ended = mindlytics("mcp", "--db", "none.db", "--server", "http://127.0.0.1:9")
    assert (2, True) == (ended.returncode, "cannot be used together" in ended.stderr)


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert 1 == CliRunner().invoke(main, ["mcp"]).exit_code
