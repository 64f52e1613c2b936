"""Sends itself SIGTERM twice, each after an event, and prints how many were delivered when its handler had run."""

import os
import signal
import time

heard: list[int] = []
signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
from starts import client, session  # noqa: E402

for number in range(2):
    session.track_event(event=str(number))
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        if len(heard) > number:
            break
        time.sleep(0.01)
    print(client.stats().delivered, flush=True)
