"""Posts ready-made batches to a server that stores them: sessions of a dozen turns each, over one connection.

Nothing of mindlytics takes part. Only the ids are new in each batch, so what is measured is the server.
"""

from __future__ import annotations

import argparse
import time

import orjson
import requests

from ..turns import TURNS
from . import report
from .limits import HEADERS, PATH, event

SESSIONS = 42
TURNS_EACH = 12
BATCH = SESSIONS * TURNS_EACH
"""Events in a batch: about as many as a client sends by default."""

NUMBER = b"00000000"
"""What stands for the number of the batch in the ids, which are as long as UUIDs."""


def template(*, ends: bool = False) -> bytes:
    """A batch of whole sessions.

    :param ends: they end.
    """
    events = []
    for session in range(SESSIONS):
        for number in range(TURNS_EACH):
            ids = {
                "session_id": f"session-{session:04}-{NUMBER.decode()}-4b1d-9c6f-e2a7",
                "conversation_id": f"talk-{session:04}-{NUMBER.decode()}-4b1d-9c6f-e2a7-55",
            }
            events.append({**event(TURNS[(session + number) % len(TURNS)]), **ids, "user_id": f"user-{session}"})
        if ends:
            last = events[-1]
            events.append({"type": "end_session", **{name: last[name] for name in ("session_id", "timestamp")}})
    return orjson.dumps(events)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("events", type=int)
    parser.add_argument("--first", type=int, default=0, help="the number of the first batch, new for each run")
    parser.add_argument("--ends", action="store_true", help="end each session, which an analysis follows")
    chosen = parser.parse_args()
    ready = template(ends=chosen.ends)
    batches = max(1, chosen.events // BATCH)
    cpu, first = time.process_time(), time.monotonic()
    with requests.Session() as session:
        for number in range(chosen.first, chosen.first + batches):
            body = ready.replace(NUMBER, b"%08x" % number)
            session.post(chosen.url + PATH, data=body, headers=HEADERS).raise_for_status()
    report(sent=batches * BATCH, first=first, finished=time.monotonic(), cpu_before=cpu)


if __name__ == "__main__":
    main()
