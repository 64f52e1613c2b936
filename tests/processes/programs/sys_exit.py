"""Records 50 events and leaves by sys.exit."""

import sys

from starts import session

for n in range(50):
    session.track_event(event=str(n))
sys.exit(0)
