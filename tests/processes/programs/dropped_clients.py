"""Drops hundreds of clients without closing them, waits until their pipelines have ended, and uses those it kept."""

import asyncio
import time

from mindlytics import AsyncClient, Client
from mindlytics.pipeline import sharing

kept = [Client(on_error=lambda error: None) for _ in range(20)]
for kind in (Client, AsyncClient):
    for _ in range(200):
        client = kind(on_error=lambda error: None, sample_rate=0.0)
        client.create_session(id="u").track_event(event="of nobody")


async def main() -> None:
    session = AsyncClient(on_error=lambda error: None).create_session(id="u")
    await session.track_event(event="dropped")
    await session.flush()


for _ in range(40):
    asyncio.run(main())
while len(sharing._shared) > 40:
    time.sleep(0.01)
print(len(sharing._shared) >= 20)
for client in kept:
    client.create_session(id="u").track_event(event="kept")
