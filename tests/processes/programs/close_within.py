"""Records one event and closes the client within three seconds."""

from starts import client, session

session.track_event(event="e")
client.close(3)
