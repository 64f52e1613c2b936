"""A cron job of 20 turns, as somebody would write it; it measures nothing itself."""

import asyncio
import sys

EVENTS = 20


def blocking(url: str) -> None:
    from mindlytics import Client  # noqa: PLC0415  a job imports one face

    with Client(api_key="key", project_id="project", server_endpoint=url) as client:
        session = client.create_session(id="cron")
        for number in range(EVENTS):
            session.track_conversation_turn(user=f"What is left of item {number}?", assistant="Enough until Friday.")


async def on_a_loop(url: str) -> None:
    from mindlytics import AsyncClient  # noqa: PLC0415

    async with AsyncClient(api_key="key", project_id="project", server_endpoint=url) as client:
        session = client.create_session(id="cron")
        for number in range(EVENTS):
            await session.track_conversation_turn(
                user=f"What is left of item {number}?", assistant="Enough until Friday."
            )


if __name__ == "__main__":
    if sys.argv[1] == "blocking":
        blocking(sys.argv[2])
    else:
        asyncio.run(on_a_loop(sys.argv[2]))
