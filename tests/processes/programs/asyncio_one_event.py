"""Records one event in asyncio.run. With CLOSE set, it closes the client too."""

import asyncio
import os

from starts import client, session


async def main() -> None:
    await session.track_event(event="e")
    if os.environ.get("CLOSE"):
        await client.close()


asyncio.run(main())
