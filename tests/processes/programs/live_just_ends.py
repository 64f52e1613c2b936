"""Ends while a listener waits for the session's end."""

from hears import hear

from mindlytics import Client

session = Client().create_session(on_event=hear)
session.track_event(event="Hello")
session.end_session()
print("end")
