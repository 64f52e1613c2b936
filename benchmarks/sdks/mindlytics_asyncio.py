"""mindlytics, the asyncio face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mindlytics import AsyncClient, TokenBasedCost

from ..turns import MODEL, Turn
from .mindlytics import QUEUE


def begin(url: str, events: int) -> tuple[Callable[[Turn], Awaitable[object]], Callable[[], Awaitable[object]]]:
    client = AsyncClient(
        api_key="key", project_id="project", server_endpoint=url, max_queue_events=max(events, 10_000), **QUEUE
    )
    session = client.create_session(id="ada")

    async def record(turn: Turn) -> None:
        await session.track_conversation_turn(
            user=turn.user,
            assistant=turn.assistant,
            usage=TokenBasedCost(
                model=MODEL, prompt_tokens=turn.prompt_tokens, completion_tokens=turn.completion_tokens
            ),
        )

    return record, client.close
