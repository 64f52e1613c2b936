"""Ends its loop while live events are unavailable."""

import asyncio

from hears import hear

from mindlytics import AsyncClient


async def main() -> None:
    session = AsyncClient(wss_endpoint="ws://127.0.0.1:9", live_timeout=0.5).create_session(on_event=hear)
    await session.track_event(event="Hello")
    await session.end_session()
    print((await session.flush()).delivered)


asyncio.run(main())
