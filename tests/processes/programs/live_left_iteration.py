"""Leaves an iteration over live events."""

import threading

from mindlytics import Client

client = Client()
events = client.events()
threading.Timer(0.5, lambda: client.create_session(id="u").track_event(event="Hello")).start()
for event in events:
    print(event.event)
    break
