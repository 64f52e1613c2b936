"""Records one event and ends."""

from starts import session

session.track_event(event="e")
