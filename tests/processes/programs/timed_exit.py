"""Records 50 events, and prints how many seconds its exit took."""

import atexit
import time

began = 0.0
atexit.register(lambda: print(time.monotonic() - began))
from starts import session  # noqa: E402

for n in range(50):
    session.track_event(event=str(n))
began = time.monotonic()
