"""The README's first program, for asyncio."""

import asyncio

from mindlytics import AsyncClient


async def main() -> None:
    async with AsyncClient() as client, client.create_session(id="ada") as session:
        await session.track_conversation_turn(user="a", assistant="b")


asyncio.run(main())
