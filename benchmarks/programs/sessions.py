"""Holds many sessions open at once: what making one costs, and what it holds once its first turn was delivered."""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc

from mindlytics import Client

from . import report

PASSES = 5
"""Times that few sessions are made again, so that there is something to measure."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("sessions", type=int)
    chosen = parser.parse_args()
    count = chosen.sessions
    client = Client(
        api_key="key",
        project_id="project",
        server_endpoint=chosen.url,
        max_queue_events=max(count, 10_000),
        max_queue_bytes=2**30,
    )
    client.create_session().track_conversation_turn(user="Hello?", assistant="Good morning!")
    client.flush()  # everything that the first event imports is there from now on

    spent = []
    for _ in range(PASSES):
        before = time.perf_counter()
        held = [client.create_session(id="ada") for _ in range(count)]
        spent.append((time.perf_counter() - before) / count * 1e6)
        del held

    gc.collect()
    tracemalloc.start()
    open_sessions = [client.create_session(id="ada") for _ in range(count)]
    fresh, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del open_sessions

    gc.collect()
    tracemalloc.start()
    open_sessions = []
    for _ in range(count):
        session = client.create_session(id="ada")
        session.track_conversation_turn(user="Hello?", assistant="Good morning!")
        open_sessions.append(session)
        if len(open_sessions) % 5_000 == 0:
            client.flush()
    client.flush()
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    client.close(timeout=60)
    report(sent=count + 1, creating=min(spent), fresh_bytes=fresh / count, open_bytes=used / count)


if __name__ == "__main__":
    main()
