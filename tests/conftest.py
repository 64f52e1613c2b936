"""What all tests share: a service that misbehaves on demand, and the two faces as one."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mindlytics import AsyncClient, Client
from mindlytics.server.run import LocalServer

from . import surroundings
from .live_service import LiveService
from .sink import Sink

surroundings.clear()

# On a busy machine any read takes long. Tests of the limit give one of their own.
LocalServer.__init__.__kwdefaults__["read_timeout"] = 60.0


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


async def result(value: Any) -> Any:
    """What a call gives, on either face."""
    return await value if inspect.isawaitable(value) else value


async def eventually(condition: Callable[[], bool], timeout: float = 30) -> None:
    """Until the condition holds, while the loop goes on."""
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        await asyncio.sleep(0.005)


class Face:
    """One of the two faces, made for a test's sink. It closes the clients that the test leaves open."""

    def __init__(self, kind: type[Any], url: str) -> None:
        self.kind = kind
        self.url = url
        self.clients: list[Any] = []

    def client(self, **settings: Any) -> Any:
        quick = {"api_key": "key-1", "project_id": "proj-1", "server_endpoint": self.url, "max_retry_wait": 0.05}
        client = self.kind(**{**quick, **settings})
        self.clients.append(client)
        return client

    @property
    def is_async(self) -> bool:
        return self.kind is AsyncClient


@asynccontextmanager
async def entered(thing: Any) -> AsyncIterator[Any]:
    """``with`` or ``async with``, whichever it is."""
    if hasattr(thing, "__aenter__"):
        async with thing as it:
            yield it
    else:
        with thing as it:
            yield it


@asynccontextmanager
async def closing(made: Face, sink: Sink) -> AsyncIterator[Face]:
    """A face whose clients are closed at the end of the test."""
    yield made
    sink.stopping.set()
    for client in made.clients:
        await result(client.close(0.5))


@pytest.fixture(params=[Client, AsyncClient], ids=["blocking", "asyncio"])
async def face(request: pytest.FixtureRequest, sink: Sink) -> AsyncIterator[Face]:
    async with closing(Face(request.param, sink.url), sink) as made:
        yield made


@pytest.fixture(params=["AlignAI", "AsyncAlignAI"], ids=["blocking", "asyncio"])
async def align_face(request: pytest.FixtureRequest, sink: Sink) -> AsyncIterator[Face]:
    """The faces of Align AI's client."""
    from mindlytics import align

    from .align.face import AlignFace

    async with closing(AlignFace(getattr(align, request.param), sink.url), sink) as made:
        yield made


@pytest.fixture(params=["Client", "AsyncClient", "AlignAI", "AsyncAlignAI"])
async def any_face(request: pytest.FixtureRequest, sink: Sink) -> AsyncIterator[Face]:
    """The faces of all clients, for what is promised of each."""
    import mindlytics
    from mindlytics import align

    from .align.face import AlignFace

    of_align = request.param in align.__all__
    kind = getattr(align if of_align else mindlytics, request.param)
    async with closing((AlignFace if of_align else Face)(kind, sink.url), sink) as made:
        yield made


@pytest.fixture
def service() -> Iterator[LiveService]:
    made = LiveService()
    yield made
    made.close()


@pytest.fixture
def live(service: LiveService, face: Face) -> Face:
    """A face whose clients use the service of live events. They are closed before it."""
    face.url = service.url
    return face
