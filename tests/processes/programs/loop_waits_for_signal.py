"""The same in an event loop that waits for a signal."""

import asyncio
import os
import signal
import sys

if os.environ.get("HANDLER"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))

from starts import session


async def main() -> None:
    for n in range(20):
        await session.track_event(event=str(n))
    print("ready", flush=True)
    await asyncio.sleep(60)


asyncio.run(main())
