"""mlsdk-python, asyncio: the SDK that the service's customers have today."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mlsdk import Client, TokenBasedCost

from ..turns import MODEL, Turn


def begin(url: str, events: int) -> tuple[Callable[[Turn], Awaitable[object]], Callable[[], Awaitable[object]]]:
    client = Client(api_key="key", project_id="project", server_endpoint=url)
    session = client.create_session(session_id="session", conversation_id="conversation", id="ada")

    async def record(turn: Turn) -> None:
        await session.track_conversation_turn(
            user=turn.user,
            assistant=turn.assistant,
            usage=TokenBasedCost(
                model=MODEL, prompt_tokens=turn.prompt_tokens, completion_tokens=turn.completion_tokens
            ),
        )

    return record, session.flush
