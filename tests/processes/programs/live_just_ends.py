"""Ends while a listener waits for the session's end."""

from mindlytics import Client, MLEvent

names: list[str] = []


def hear(event: MLEvent) -> None:
    names.append(event.event)


session = Client().create_session(on_event=hear)
session.track_event(event="Hello")
session.end_session()
print("end")
