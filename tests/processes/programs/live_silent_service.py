"""Ends while the service of live events accepts a connection and says nothing."""

import socket

from hears import hear

from mindlytics import Client

hanging = socket.create_server(("127.0.0.1", 0))
client = Client(wss_endpoint=f"ws://127.0.0.1:{hanging.getsockname()[1]}")
session = client.create_session(on_event=hear)
session.track_event(event="Hello")
connection, _ = hanging.accept()
print("end")
connection.close()
hanging.close()
