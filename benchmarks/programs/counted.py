"""Does one thing again and again, for callgrind to count its instructions.

It is run by its path, so that the package it imports is the one on PYTHONPATH, of whichever commit.
"""

import sys

from mindlytics import Client

USER = "Hi, I ordered a pair of walking boots on Monday and they still haven't shipped."
ASSISTANT = (
    "I'm sorry about the wait. Your boots left our warehouse this morning and are with the carrier now. You should "
    "have them by Thursday; shall I send you the link to follow the parcel?"
)


def main(kind: str, url: str, count: int) -> None:
    settings = {
        "api_key": "key",
        "project_id": "project",
        "server_endpoint": url,
        "max_queue_events": count + 10_000,
        "request_timeout": 600.0,
    }
    client = Client(**settings)
    session = client.create_session(id="ada")
    session.track_conversation_turn(user=USER, assistant=ASSISTANT)
    client.flush()
    if kind == "turn":
        for _ in range(count):
            session.track_conversation_turn(user=USER, assistant=ASSISTANT)
    elif kind == "property":
        for number in range(count):
            session.track_conversation_turn(user=USER, assistant=ASSISTANT, properties={"number": number})
    elif kind == "session":
        for _ in range(count):
            client.create_session(id="ada")
    elif kind == "client":
        for _ in range(count):
            Client(**settings)
    client.close(timeout=600)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
