"""Begins a session without a loop, and ends it on one."""

import asyncio

from hears import hear, names

from mindlytics import AsyncClient

client = AsyncClient()
session = client.create_session(on_event=hear)
session.track_event(event="Hello")


async def end() -> None:
    async with client, session:
        pass


asyncio.run(end())
print(names)
