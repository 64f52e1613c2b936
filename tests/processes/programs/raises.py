"""Records 50 events and ends by an exception."""

from starts import session

for n in range(50):
    session.track_event(event=str(n))
raise RuntimeError("the program is broken")
