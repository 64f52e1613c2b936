"""Records 20 events, prints ``ready``, and waits for a signal.

With HANDLER set, a handler of SIGTERM exits with 7. With GREEN set, gevent has replaced Python's threads.
"""

import os

if os.environ.get("GREEN"):
    from gevent import monkey

    monkey.patch_all()
import signal
import sys
import time

if os.environ.get("HANDLER"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))

from starts import session

for n in range(20):
    session.track_event(event=str(n))
print("ready", flush=True)
while True:
    time.sleep(0.05)  # a signal that comes just before a sleep is handled when that ends
