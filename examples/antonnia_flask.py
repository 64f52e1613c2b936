"""Webhooks of the Conversations API in Flask: contacts are answered, and finished conversations are analysed.

mindlytics serve --webhook http://127.0.0.1:5000/hooks
flask --app examples/antonnia_flask run
"""

import os

from flask import Flask, Response, jsonify, request

from mindlytics import Client
from mindlytics.antonnia import Conversations, record
from mindlytics.antonnia.exceptions import ValidationError
from mindlytics.antonnia.webhooks import MessageCreated, SessionFinished, Webhooks

SERVER = os.environ.get("MLSDK_SERVER_BASE", "http://127.0.0.1:3000")

app = Flask(__name__)
client = Client()
conversations = Conversations(os.environ.get("MLSDK_API_KEY", "local"), f"{SERVER}/conversations/v2")
webhooks = Webhooks()


@webhooks.on("message.created")
def answer(event: MessageCreated) -> None:
    if event.message.role == "user":
        conversations.sessions.reply(event.message.session_id)


@webhooks.on("session.finished")
def analyse(event: SessionFinished) -> None:
    session = client.create_session(session_id=event.session.id, id=event.session.contact_id)
    record(session, conversations.sessions.messages.iter(event.session.id))


@app.post("/hooks")
def hooks() -> tuple[Response, int]:
    try:
        event = webhooks.handle(request.get_data())
    except ValidationError as error:
        return jsonify(detail=error.message), 422
    return jsonify(id=event.id), 200
