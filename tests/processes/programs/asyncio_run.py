"""Records 50 events in asyncio.run and leaves the client open."""

import asyncio

from starts import session


async def main() -> None:
    for n in range(50):
        await session.track_event(event=str(n))


asyncio.run(main())
