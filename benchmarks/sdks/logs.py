"""logging: what one can build of the standard library's parts, and requests: a queue, its listener, a buffer of 500."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from logging.handlers import BufferingHandler, QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any

import requests

from ..turns import Turn, properties

BATCH = 500


class Poster(BufferingHandler):
    """Posts the properties of 500 records at a time, on the listener's thread."""

    def __init__(self, url: str) -> None:
        super().__init__(BATCH)
        self._url = f"{url}/bc/v1/events/queue"
        self._session = requests.Session()

    def flush(self) -> None:
        if self.buffer:
            body = json.dumps([{"timestamp": record.created, **record.properties} for record in self.buffer])
            headers = {"Content-Type": "application/json"}
            self._session.post(self._url, data=body.encode(), headers=headers).raise_for_status()
            self.buffer.clear()


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    queue: SimpleQueue[Any] = SimpleQueue()
    poster = Poster(url)
    listener = QueueListener(queue, poster)
    listener.start()
    logger = logging.getLogger("benchmarks.turns")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(QueueHandler(queue))

    def record(turn: Turn) -> None:
        logger.info("conversation turn", extra={"properties": properties(turn)})

    def deliver() -> None:
        listener.stop()
        poster.close()

    return record, deliver
