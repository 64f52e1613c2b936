"""Drops three clients with an event each, and waits until their pipelines have ended."""

import time

from mindlytics import Client
from mindlytics.pipeline import sender, sharing

sender.IDLE = 0.05
for _ in range(3):
    Client(on_error=lambda error: None).create_session(id="u").track_event(event="e")
while sharing._shared:
    time.sleep(0.05)
