"""What the other programs record with: a client of the face or service that START names, and sessions of it."""

import itertools
import os
from typing import Any

START = os.environ.get("START", "blocking")

client: Any
if START == "blocking":
    from mindlytics import Client

    client = Client()
elif START == "asyncio":
    from mindlytics import AsyncClient

    client = AsyncClient()
elif START == "AlignAI":
    from mindlytics.align import AlignAI

    client = AlignAI()
else:
    from mindlytics.align import AsyncAlignAI

    client = AsyncAlignAI()


class AlignSession:
    """Records an event as a message of one session."""

    indexes = itertools.count(1)

    def track_event(self, event: str) -> Any:
        return client.create_message("s", next(self.indexes), "user", event)


def new_session() -> Any:
    return client.create_session(id="u") if START in ("blocking", "asyncio") else AlignSession()


session = new_session()
