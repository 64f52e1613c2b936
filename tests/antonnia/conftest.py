"""Both faces of the Conversations API as one, and a local server for all tests."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from mindlytics.antonnia import AsyncConversations, Conversations
from mindlytics.server.run import LocalServer

from ..conftest import result
from ..sink import Sink

TOKEN = "a-secret-token"


class Face:
    """One of the two faces. It closes the clients that the test leaves open."""

    def __init__(self, kind: type[Any], sink: Sink, server: LocalServer) -> None:
        self.kind = kind
        self.sink = sink
        self.server = server
        self.clients: list[Any] = []

    @property
    def is_async(self) -> bool:
        return self.kind is AsyncConversations

    def client(self, base_url: str | None = None, **options: Any) -> Any:
        """A client for the sink that misbehaves, unless another address is given."""
        made = self.kind(TOKEN, self.sink.url if base_url is None else base_url, **options)
        self.clients.append(made)
        return made

    def at_home(self, token: str = TOKEN, **options: Any) -> Any:
        """A client for the local server."""
        made = self.kind(token, f"{self.server.url}/conversations/v2", **options)
        self.clients.append(made)
        return made


@pytest.fixture(scope="session")
def home() -> Iterator[LocalServer]:
    """A server for all tests."""
    with LocalServer() as running:
        yield running


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A server for one test: all who come without a key of the server's see the same."""
    with LocalServer() as running:
        yield running


@pytest.fixture(params=[Conversations, AsyncConversations], ids=["blocking", "asyncio"])
async def face(request: pytest.FixtureRequest, sink: Sink, home: LocalServer) -> AsyncIterator[Face]:
    made = Face(request.param, sink, home)
    yield made
    sink.stopping.set()
    for client in made.clients:
        await result(client.close())


async def everything(found: Any) -> list[Any]:
    """All that an iteration gives, on either face."""
    return [item async for item in found] if hasattr(found, "__aiter__") else list(found)


@pytest.fixture
def unused_port() -> int:
    """A port without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again soon."""
    monkeypatch.setattr("mindlytics.delivery.retry.FIRST_WAIT", 0.02)


def client_of(server: LocalServer, token: str = "any") -> Conversations:
    """A blocking client for a server."""
    return Conversations(token, f"{server.url}/conversations/v2", trust_env=False)


@pytest.fixture
def api(server: LocalServer) -> Iterator[Conversations]:
    """A blocking client for a server of its own."""
    with client_of(server) as client:
        yield client


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What the condition gives as soon as that counts as true."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.02)
    return found


def texts(api: Conversations, session_id: str) -> list[str]:
    """What was said in a session."""
    return [message.content.words for message in api.sessions.messages.iter(session_id)]
