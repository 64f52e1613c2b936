"""Records an event, prints ``ready``, and waits for a signal that the loop handles.

LOOP names the library of the event loop, FIRST what is made first: the handler or the client. Prints how often the
handler was called, and how many events are pending.
"""

import asyncio
import os
import signal
from importlib import import_module
from typing import Any

from mindlytics import AsyncClient
from mindlytics.pipeline import signals

library: Any = import_module(os.environ["LOOP"])


async def main() -> None:
    calls: list[int] = []
    loop = asyncio.get_running_loop()
    if os.environ["FIRST"] == "the handler":
        loop.add_signal_handler(signal.SIGTERM, calls.append, 1)
        client = AsyncClient()
    else:
        client = AsyncClient()
        loop.add_signal_handler(signal.SIGTERM, calls.append, 1)
    await client.create_session(id="u").track_event(event="e")
    print("ready", flush=True)
    while not calls or signals._began:  # noqa: ASYNC110  set by another thread
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)  # a second signal would reach the loop now
    print(len(calls), client.stats().pending)


library.run(main())
