"""Ends its loop while live events are unavailable."""

import asyncio

from mindlytics import AsyncClient, MLEvent

names: list[str] = []


def hear(event: MLEvent) -> None:
    names.append(event.event)


async def main() -> None:
    session = AsyncClient(wss_endpoint="ws://127.0.0.1:9", live_timeout=0.5).create_session(on_event=hear)
    await session.track_event(event="Hello")
    await session.end_session()
    print((await session.flush()).delivered)


asyncio.run(main())
