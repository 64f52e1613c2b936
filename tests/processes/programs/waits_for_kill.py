"""Records 20 events, flushes, prints ``ready``, and waits to be killed."""

import threading

from starts import client, session

for n in range(20):
    session.track_event(event=str(n))
client.flush()
print("ready", flush=True)
threading.Event().wait(60)
