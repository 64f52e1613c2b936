"""Records 50 events and ends with its last line."""

from starts import session

for n in range(50):
    session.track_event(event=str(n))
