"""Records 50 events in three asyncio.run, one after the other."""

import asyncio

from starts import session


async def main(first: int, end: int) -> None:
    for n in range(first, end):
        await session.track_event(event=str(n))


for bounds in ((0, 20), (20, 35), (35, 50)):
    asyncio.run(main(*bounds))
