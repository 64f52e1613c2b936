"""Begins a session without a loop, and ends it on one."""

import asyncio

from mindlytics import AsyncClient, MLEvent

names: list[str] = []


def hear(event: MLEvent) -> None:
    names.append(event.event)


client = AsyncClient()
session = client.create_session(on_event=hear)
session.track_event(event="Hello")


async def end() -> None:
    async with client, session:
        pass


asyncio.run(end())
print(names)
