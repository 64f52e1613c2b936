"""A Flask app's request with and without mindlytics: a session, one turn, the session's end. In-process."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request

from mindlytics import Client

from ..figures import percentile
from ..turns import TURNS
from . import report

BLOCK = 100
"""Requests of one kind in a row; then the next kind has its turn."""


def app_with(record: Callable[[str, str], object]) -> Flask:
    app = Flask(__name__)

    @app.post("/ask")
    def ask() -> Response:
        asked = request.get_json()["text"]
        answer = TURNS[len(asked) % len(TURNS)].assistant
        record(asked, answer)
        return jsonify(text=answer)

    return app


def recorded(client: Client, asked: str, answer: str) -> None:
    session = client.create_session(id="ada")
    session.track_conversation_turn(user=asked, assistant=answer)
    session.end_session()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("requests", type=int, help="of each kind")
    chosen = parser.parse_args()

    def settings(project: str) -> dict[str, Any]:
        return {
            "api_key": "key",
            "project_id": project,
            "server_endpoint": chosen.url,
            "max_queue_events": 10 * chosen.requests + 10_000,
        }

    client = Client(**settings("one"))
    apps = {
        "plain": app_with(lambda asked, answer: None),
        "one_client": app_with(lambda asked, answer: recorded(client, asked, answer)),
        "client_each": app_with(lambda asked, answer: recorded(Client(**settings("each")), asked, answer)),
    }
    visitors = {kind: app.test_client() for kind, app in apps.items()}
    spent: dict[str, list[float]] = {kind: [] for kind in apps}
    clock = time.perf_counter
    for number in range(-BLOCK, chosen.requests, BLOCK):
        for kind, visitor in visitors.items():
            for turn in (TURNS * (BLOCK // len(TURNS) + 1))[:BLOCK]:
                before = clock()
                reply = visitor.post("/ask", json={"text": turn.user})
                after = clock()
                assert reply.status_code == 200
                if number >= 0:  # the first block of each warms up
                    spent[kind].append((after - before) * 1e6)
    last = time.monotonic()
    client.close(timeout=60)
    Client(**settings("each")).close(timeout=60)
    rounds = len(spent["plain"]) // BLOCK + 1
    report(
        sent=2 * 2 * BLOCK * rounds,
        last=last,
        **{f"{kind}_median": percentile(values, 0.5) for kind, values in spent.items()},
        **{f"{kind}_p99": percentile(values, 0.99) for kind, values in spent.items()},
    )


if __name__ == "__main__":
    main()
