"""Fake models and tools for the frameworks, and what they left at the service."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..conftest import Face, result
from ..sink import Sink


class Session:
    """A session of one face, in which a library is recorded."""

    def __init__(self, face: Face, sink: Sink) -> None:
        self.client = face.client()
        self.sink = sink
        self.session = self.client.create_session(id="ada")

    async def flush(self) -> Sink:
        await result(self.client.flush())
        return self.sink


def turns(sink: Sink) -> list[dict[str, Any]]:
    """The properties of the turns, in order."""
    return [event["properties"] for event in sink.events if event.get("event") == "Conversation Turn"]


def calls(sink: Sink) -> list[dict[str, Any]]:
    """The properties of the calls of functions, in order."""
    return [event["properties"] for event in sink.events if event.get("event") == "Conversation Function"]


def said(sink: Sink) -> list[tuple[str, str]]:
    """Questions and answers, in order."""
    return [(turn["user"], turn["assistant"]) for turn in turns(sink)]


def names(sink: Sink) -> list[str]:
    """What was recorded, in order, without starts and ends of sessions."""
    return [event["event"].removeprefix("Conversation ") for event in sink.events if "event" in event]


def conversations(sink: Sink) -> Counter[str | None]:
    """How many turns each conversation has."""
    return Counter(event.get("conversation_id") for event in sink.events if event.get("event") == "Conversation Turn")


def only(things: Iterable[dict[str, Any]], **expected: Any) -> None:
    """There is one, and it holds at least this."""
    (thing,) = things
    assert expected == {name: thing.get(name) for name in expected}, thing


def code_of(page: str) -> list[str]:
    """The programs in a page of the documentation."""
    text = (Path(__file__).parents[2] / "docs" / "integrations" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
