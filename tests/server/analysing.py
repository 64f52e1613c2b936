"""What tests of the server's analysis share: a server that analyses, and its summaries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mindlytics.server.analysis import (
    Analysis,
)
from mindlytics.server.analysis.local import analyse
from mindlytics.server.run import LocalServer

from .calls import Caller, event, track, turn

SUMMARY = "Conversation Summary"


@contextmanager
def serving(db: Path | None = None, analysis: Analysis | None = analyse) -> Iterator[Caller]:
    """A caller of a server of its own."""
    with LocalServer(db, analysis=analysis) as server, (caller := Caller(server.url)).http:
        yield caller


def eventually(caller: Caller, condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The events, as soon as they are as they should be."""
    until = time.monotonic() + 30
    while not condition(events := caller.find("events")):
        assert time.monotonic() < until, [e["event"] for e in events]
        time.sleep(0.005)
    return events


def summaries(caller: Caller, count: int = 1) -> list[dict[str, Any]]:
    def there(events: list[dict[str, Any]]) -> bool:
        return count <= sum(e["event"] == SUMMARY for e in events)

    return [e for e in eventually(caller, there) if e["event"] == SUMMARY]


def call(name: str, result: str = "{}", runtime: float = 10.0, **fields: Any) -> dict[str, Any]:
    properties = {"name": name, "result": result, "runtime": runtime}
    return track("Conversation Function", conversation_id="c", properties=properties, **fields)


APPOINTMENT = (
    turn("Hi, I have to move my appointment.", "Of course. Which day was it on?", properties={"cost": 0.25}),
    turn("Thursday, with Dr. Osei.", "One moment.", properties={"cost": 0.5}),
    call("move_appointment", '{"ok": true}', 160.5),
    turn("Great, thank you!", "Done. See you on Monday."),
    event("end_session", timestamp="2025-04-03T07:35:12.500Z"),
)
