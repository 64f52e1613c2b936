"""Records 50 events in asyncio.run and leaves the client open. ENDING may end the process within the loop."""

import asyncio

from endings import end
from starts import session


async def main() -> None:
    for n in range(50):
        await session.track_event(event=str(n))
    end()


asyncio.run(main())
