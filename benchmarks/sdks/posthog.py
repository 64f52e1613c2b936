"""posthog: an event with the turn as its properties."""

from __future__ import annotations

from collections.abc import Callable

from posthog import Posthog

from ..turns import Turn, properties


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    client = Posthog("key", host=url, max_queue_size=max(events, 10_000))

    def record(turn: Turn) -> None:
        client.capture("Conversation Turn", distinct_id="ada", properties=properties(turn))

    return record, client.shutdown
