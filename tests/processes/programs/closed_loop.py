"""Records 50 events on a loop and closes the loop while they are pending."""

import asyncio

from starts import session


async def main() -> None:
    for n in range(50):
        await session.track_event(event=str(n))


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
