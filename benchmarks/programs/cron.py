"""A cron job as people write them: a request of its own, 20 turns, or both. It measures nothing itself."""

import asyncio
import sys

EVENTS = 20


def blocking(url: str) -> None:
    from mindlytics import Client  # noqa: PLC0415  a job imports one face

    with Client(api_key="key", project_id="project", server_endpoint=url) as client:
        session = client.create_session(id="cron")
        for number in range(EVENTS):
            session.track_conversation_turn(user=f"What is left of item {number}?", assistant="Enough until Friday.")


def fetching(url: str) -> None:
    import requests  # noqa: PLC0415

    requests.get(url, timeout=10).raise_for_status()


async def on_a_loop(url: str) -> None:
    from mindlytics import AsyncClient  # noqa: PLC0415

    async with AsyncClient(api_key="key", project_id="project", server_endpoint=url) as client:
        session = client.create_session(id="cron")
        for number in range(EVENTS):
            await session.track_conversation_turn(
                user=f"What is left of item {number}?", assistant="Enough until Friday."
            )


if __name__ == "__main__":
    kind, url = sys.argv[1:]
    if kind in ("requests", "requests_blocking"):
        fetching(url)
    if kind in ("blocking", "requests_blocking"):
        blocking(url)
    if kind == "asyncio":
        asyncio.run(on_a_loop(url))
