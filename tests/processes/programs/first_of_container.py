"""Records one event, prints ``ready``, and sleeps for ten seconds, as the first process of a container."""

import time

from starts import session

session.track_event(event="e")
print("ready", flush=True)
for _ in range(500):
    time.sleep(0.02)
