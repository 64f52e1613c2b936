"""Spools 25 events, and 25 more in a forked child, which prints ``ready`` and waits for the end of its stdin."""

import os
import sys
import time

from starts import client, session

for n in range(25):
    session.track_event(event=str(n))
while client.stats().spooled < 25:
    time.sleep(0.01)
child = os.fork()
if child == 0:
    assert (0, 0) == (client.stats().pending, client.stats().spooled)
    for n in range(25, 50):
        session.track_event(event=str(n))
    while client.stats().spooled < 25:
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
os.waitpid(child, 0)
