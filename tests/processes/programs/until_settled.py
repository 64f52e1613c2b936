"""Records one event and waits until it is settled."""

import time

from starts import client, session

session.track_event(event="e")
while client.stats().pending:
    time.sleep(0.01)
