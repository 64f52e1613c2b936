"""confluent-kafka: JSON by orjson through librdkafka, which is written in C and has a broker of its own for tests."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from confluent_kafka import Producer

from ..turns import Turn, properties

WAIT = 300.0
"""Seconds for the last flush."""


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], int]]:
    failed: list[object] = []
    producer = Producer(
        {
            "test.mock.num.brokers": 1,
            "queue.buffering.max.messages": max(events, 100_000),
            "queue.buffering.max.kbytes": 2_000_000,
            "delivery.report.only.error": True,
            "log_level": 0,
        }
    )

    def record(turn: Turn) -> None:
        producer.produce("turns", orjson.dumps(properties(turn)), on_delivery=lambda *error: failed.append(error))

    def deliver() -> int:
        return events - producer.flush(WAIT) - len(failed)

    return record, deliver
