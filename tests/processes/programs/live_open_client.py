"""Leaves its loop with listeners and the client open."""

import asyncio
import threading

from hears import hear

from mindlytics import AsyncClient, Client

client = AsyncClient()


async def main() -> None:
    await client.start_listening(hear)
    async for _ in client.events():
        break


threading.Timer(0.5, lambda: Client().create_session(id="u").track_event(event="Hello")).start()
asyncio.run(main())
print("end")
