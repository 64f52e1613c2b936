"""Holds many events pending: the longest pause of the garbage collector, and the time of a full collection."""

from __future__ import annotations

import argparse
import gc
import threading
import time
from statistics import median
from typing import Any

import requests

from mindlytics import Client

from ..turns import TURNS
from . import report

COLLECTIONS = 5
"""Full collections of which the median counts."""


class Held(requests.Session):
    """A session whose requests wait until they may go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        self.may_go.wait(300)
        return super().send(request, **options)


class Pauses:
    """The longest that the garbage collector stopped the program."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._since = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, _: object) -> None:
        if phase == "start":
            self._since = time.perf_counter()
        else:
            self.longest = max(self.longest, (time.perf_counter() - self._since) * 1e3)


def full_collection() -> float:
    """Milliseconds."""
    spent = []
    for _ in range(COLLECTIONS):
        before = time.perf_counter()
        gc.collect()
        spent.append((time.perf_counter() - before) * 1e3)
    return median(spent)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("events", type=int)
    chosen = parser.parse_args()
    held = Held()
    client = Client(
        api_key="key",
        project_id="project",
        server_endpoint=chosen.url,
        http_client=held,
        max_queue_events=chosen.events + 10_000,
        max_queue_bytes=2**30,
        request_timeout=300.0,
        shutdown_timeout=60.0,
    )
    session = client.create_session(id="ada")
    held.may_go.set()
    session.track_conversation_turn(user="Hello?", assistant="Good morning!")
    client.flush()  # everything that the first event imports is there from now on
    held.may_go.clear()
    empty = full_collection()
    pauses = Pauses()
    for number in range(chosen.events):
        turn = TURNS[number % len(TURNS)]
        session.track_conversation_turn(user=turn.user, assistant=turn.assistant)
    longest = pauses.longest
    full = full_collection()
    held.may_go.set()
    client.close(timeout=60)
    report(sent=chosen.events + 1, pause_longest=longest, collection=full, collection_added=full - empty)


if __name__ == "__main__":
    main()
