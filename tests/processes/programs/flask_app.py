"""A Flask app that records a turn for each request, with one client, or with one per request if PER_REQUEST is set."""

import os

from flask import Flask

from mindlytics import Client

client = Client()
app = Flask(__name__)


@app.get("/<name>")
def turn(name: str) -> str:
    used = Client() if os.environ.get("PER_REQUEST") else client
    used.create_session(session_id=f"s-{name}", id="u").track_conversation_turn(user=name, assistant="hello")
    return "ok"
