"""segment-analytics-python: an event with the turn as its properties."""

from __future__ import annotations

from collections.abc import Callable

from segment.analytics import Client

from ..turns import Turn, properties


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    client = Client("key", host=url, max_queue_size=max(events, 10_000))

    def record(turn: Turn) -> None:
        client.track("ada", "Conversation Turn", properties(turn))

    return record, client.shutdown
