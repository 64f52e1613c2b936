"""Records only on a real thread beside gevent's, waits until nothing is pending, and leaves without an exit."""

import os

from green_pools import elsewhere  # isort: skip  it replaces Python's threads
import gevent
from starts import client, session

elsewhere(lambda: session.track_event(event="e"))
while client.stats().pending:
    gevent.sleep(0.01)
os._exit(0)
