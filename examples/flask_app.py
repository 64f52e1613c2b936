"""A Flask app: one client for the program, one session for each chat.

A chat's requests may reach different processes, so nothing of it is kept in one: each request makes a session with the
chat's id, which costs microseconds. Under a preforking server it works as it is, without a hook.

    flask --app examples/flask_app run
"""

import uuid

from flask import Flask, Response, jsonify, request

from mindlytics import Client, Session, TokenBasedCost

app = Flask(__name__)
client = Client()


def session_of(chat: str) -> Session:
    return client.create_session(session_id=chat, id=request.headers.get("X-User", "guest"))


@app.post("/chats")
def begin() -> Response:
    chat = str(uuid.uuid4())
    session_of(chat).start_session(attributes={"app": "flask"})
    return jsonify(chat=chat)


@app.post("/chats/<chat>/turns")
def turn(chat: str) -> Response:
    said = request.get_json()["text"]
    answer, tokens = assistant(said)
    session_of(chat).track_conversation_turn(
        user=said,
        assistant=answer,
        usage=TokenBasedCost(model="echo-1", prompt_tokens=len(said.split()), completion_tokens=tokens),
    )
    return jsonify(text=answer)


@app.delete("/chats/<chat>")
def end(chat: str) -> Response:
    session_of(chat).end_session(attributes={"ended_by": "user"})
    return jsonify(chat=chat)


def assistant(said: str) -> tuple[str, int]:
    """Where a language model would be asked: its answer, and how many tokens that has."""
    answer = f"You said: {said}"
    return answer, len(answer.split())
