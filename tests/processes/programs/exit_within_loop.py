"""Records 50 events on a loop and leaves by SystemExit within it."""

import asyncio

from starts import session


async def main() -> None:
    for n in range(50):
        await session.track_event(event=str(n))
    raise SystemExit(0)


asyncio.run(main())
