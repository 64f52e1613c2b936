"""Records events, and writes a dot for each call that has returned: FACE COUNT PAUSE ENDING.

PAUSE is seconds between two events. ENDING is "exit", "_exit", or "wait" for an end from outside.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import mindlytics

face, ending = sys.argv[1], sys.argv[4]
count, pause = int(sys.argv[2]), float(sys.argv[3])
client: Any = getattr(mindlytics, face)()
session = client.create_session(id="u", session_id="s")


def end() -> None:
    if ending == "_exit":
        os._exit(0)
    while ending == "wait":
        time.sleep(1)


async def main() -> None:
    for number in range(count):
        await session.track_event(event=f"s/{number}")
        os.write(1, b".")
        if pause:
            await asyncio.sleep(pause)
    end()


if face.startswith("Async"):
    asyncio.run(main())
else:
    for number in range(count):
        session.track_event(event=f"s/{number}")
        os.write(1, b".")
        if pause:
            time.sleep(pause)
    end()
