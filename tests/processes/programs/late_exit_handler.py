"""Records three events, and one more in an exit handler that runs after the client's own."""

import atexit

atexit.register(lambda: session.track_event(event="late"))
from starts import session  # noqa: E402

for n in range(3):
    session.track_event(event=str(n))
