"""A service of models, and what was recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from ..conftest import Face, result
from ..sink import Sink
from .models import Models

Recorded = Callable[[], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    made = Models()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


@pytest.fixture
def recorded(face: Face, sink: Sink) -> Recorded:
    """Returns the properties of the recorded tool calls and turns, in order."""

    async def read() -> list[dict[str, Any]]:
        for client in face.clients:
            await result(client.flush(20))
        return [{**event["properties"], "event": event["event"]} for event in sink.events if event["type"] == "track"]

    return read
