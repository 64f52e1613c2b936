"""Listens to a session over three loops."""

import asyncio

from hears import hear, names

from mindlytics import AsyncClient

client = AsyncClient()
session = client.create_session(on_event=hear)


async def begin() -> None:
    await session.track_event(event="Hello")
    while "Hello" not in names:  # noqa: ASYNC110  a handler fills the list
        await asyncio.sleep(0.01)


async def go_on() -> None:
    await session.track_event(event="Again")


async def end() -> None:
    await session.end_session()
    await session.flush()
    await client.close()


for step in (begin, go_on, end):
    asyncio.run(step())
print(names)
