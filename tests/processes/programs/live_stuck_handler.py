"""Ends while a handler of live events does not return."""

import threading
import time

from mindlytics import Client, MLEvent

stuck = threading.Event()


def handler(event: MLEvent) -> None:
    stuck.set()
    time.sleep(50)


session = Client().create_session(on_event=handler)
session.track_event(event="Hello")
stuck.wait(30)
print("end")
