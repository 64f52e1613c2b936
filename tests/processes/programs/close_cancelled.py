"""Cancels its own close() while 50 events are pending."""

import asyncio

from releases import release
from starts import client, session


async def main() -> None:
    for n in range(50):
        await session.track_event(event=str(n))
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    assert client.stats().pending == 50


asyncio.run(main())
release()
