"""Ends while the service of live events accepts a connection and says nothing."""

import socket

from mindlytics import Client, MLEvent

names: list[str] = []


def hear(event: MLEvent) -> None:
    names.append(event.event)


hanging = socket.create_server(("127.0.0.1", 0))
client = Client(wss_endpoint=f"ws://127.0.0.1:{hanging.getsockname()[1]}")
session = client.create_session(on_event=hear)
session.track_event(event="Hello")
connection, _ = hanging.accept()
print("end")
connection.close()
hanging.close()
