"""Records turns from several threads at once, each with a session of its own."""

from __future__ import annotations

import argparse
import threading
import time

from mindlytics import Client

from ..figures import percentile
from ..turns import TURNS
from . import report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("threads", type=int)
    parser.add_argument("events", type=int)
    chosen = parser.parse_args()
    each = max(1, chosen.events // chosen.threads)
    events = each * chosen.threads
    client = Client(
        api_key="key",
        project_id="project",
        server_endpoint=chosen.url,
        max_queue_events=max(events, 10_000),
        max_queue_bytes=2**30,
        shutdown_timeout=60.0,
    )
    all_spent: list[list[int]] = [[] for _ in range(chosen.threads)]
    start = threading.Barrier(chosen.threads + 1)

    def record(spent: list[int]) -> None:
        session = client.create_session(id="ada")
        clock = time.perf_counter_ns
        start.wait()
        for number in range(each):
            turn = TURNS[number % len(TURNS)]
            before = clock()
            session.track_conversation_turn(user=turn.user, assistant=turn.assistant)
            spent.append(clock() - before)

    running = [threading.Thread(target=record, args=(spent,)) for spent in all_spent]
    for thread in running:
        thread.start()
    cpu = time.process_time()
    first = time.monotonic()
    start.wait()
    for thread in running:
        thread.join()
    last = time.monotonic()
    client.close()
    spent = [nanoseconds for one in all_spent for nanoseconds in one]
    report(
        sent=events,
        first=first,
        last=last,
        finished=time.monotonic(),
        cpu_before=cpu,
        call_median=percentile(spent, 0.5) / 1e3,
        call_p99=percentile(spent, 0.99) / 1e3,
    )


if __name__ == "__main__":
    main()
