"""Records what is lost by the way in LOSS, and one more event that arrives."""

import os

from starts import client, session

loss = os.environ["LOSS"]
if loss == "queue full":
    for _ in range(100):
        session.track_event(event="e")
elif loss == "too large":
    session.track_event(event="e", properties={"text": "x" * 200})
else:
    session.track_event(event="poison")
    client.flush(20)
session.track_event(event="fine")
client.flush(20)
