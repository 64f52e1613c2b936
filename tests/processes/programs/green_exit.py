"""Ends right after its only event, with green threads. With CLOSES, an exit handler closes the client."""

import atexit
import os

import green_pools  # noqa: F401  # isort: skip  it replaces Python's threads
from starts import client, session

if os.environ.get("CLOSES"):
    atexit.register(client.close)
session.track_event(event="e")
