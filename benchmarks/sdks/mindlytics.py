"""mindlytics, the blocking face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mindlytics import Client, TokenBasedCost

from ..turns import MODEL, Turn

QUEUE: dict[str, Any] = {"max_queue_bytes": 4 * 2**30, "shutdown_timeout": 300.0}
"""Room for the largest run, and time to deliver it."""


def begin(url: str, events: int, **more: Any) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    queue = {"max_queue_events": max(events, 10_000), **QUEUE}
    client = Client(api_key="key", project_id="project", server_endpoint=url, **queue, **more)
    session = client.create_session(id="ada")

    def record(turn: Turn) -> None:
        session.track_conversation_turn(
            user=turn.user,
            assistant=turn.assistant,
            usage=TokenBasedCost(
                model=MODEL, prompt_tokens=turn.prompt_tokens, completion_tokens=turn.completion_tokens
            ),
        )

    return record, client.close
