"""Records 50 events within the client's block."""

from starts import client, session

with client:
    for n in range(50):
        session.track_event(event=str(n))
