"""Closes a client whose sender cannot import requests, and prints whether that took less than ten seconds."""

import sys
import time

from mindlytics import Client

sys.modules["requests"] = None  # type: ignore[assignment]
client = Client()
client.create_session(id="u").track_event(event="e")
began = time.monotonic()
outcome = client.close(1)
print(outcome.dropped, client.stats().reasons, time.monotonic() - began < 10)
