"""The SDKs side by side. One module for each, all of one shape.

``begin(url, events)`` gives the call that records a turn and the one that delivers the rest; where they are coroutine
functions, they are awaited. A module is imported only in the process that measures it, so this list names what it
needs to know of them.

Each is set up as its own documentation asks for a bulk of events: its queue is made so large that nothing has to be
dropped, everything else is left as it comes.
"""

from __future__ import annotations

from typing import NamedTuple


class SDK(NamedTuple):
    """One line of the comparison."""

    name: str
    title: str
    package: str
    importing: str
    """The statement whose time is its import time."""
    events: int
    """Events in a run at most: slow ones get fewer, since all rates are per event."""
    is_async: bool
    note: str
    own_server: bool = False
    """Delivers to a server of its own instead of the sink; what delivers the rest then returns how many arrived."""


SDKS = {
    sdk.name: sdk
    for sdk in (
        SDK(
            "mindlytics",
            "mindlytics, blocking",
            "mindlytics",
            "from mindlytics import Client",
            1_000_000,
            False,
            "`max_queue_events` and `max_queue_bytes` raised; batches of 500, as by default",
        ),
        SDK(
            "mindlytics_asyncio",
            "mindlytics, asyncio",
            "mindlytics",
            "from mindlytics import AsyncClient",
            1_000_000,
            True,
            "the same; every call is awaited",
        ),
        SDK(
            "mindlytics_spool",
            "mindlytics with a spool",
            "mindlytics",
            "from mindlytics import Client",
            1_000_000,
            False,
            "the blocking face with `spool`: every event whose call has returned outlives the process",
        ),
        SDK(
            "mlsdk",
            "mlsdk-python",
            "mlsdk-python",
            "from mlsdk import Client",
            2_000,
            True,
            "asyncio; as it comes: its queue has no bound, and every event is a request on a connection of its own",
        ),
        SDK(
            "alignai",
            "alignai",
            "alignai",
            "from alignai import AlignAI",
            20_000,
            False,
            "as it comes: a full buffer (200) lets the caller wait, and a larger one would be sent less often. An "
            "event is a message, half a turn",
        ),
        SDK(
            "posthog",
            "posthog",
            "posthog",
            "from posthog import Posthog",
            20_000,
            False,
            "`max_queue_size` raised; batches of 100, as by default",
        ),
        SDK(
            "segment",
            "segment-analytics",
            "segment-analytics-python",
            "from segment.analytics import Client",
            20_000,
            False,
            "`max_queue_size` raised; batches of 100, as by default",
        ),
        SDK(
            "opentelemetry",
            "OpenTelemetry",
            "opentelemetry-sdk",
            "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
            "from opentelemetry.sdk.trace import TracerProvider\n"
            "from opentelemetry.sdk.trace.export import BatchSpanProcessor",
            50_000,
            False,
            "BatchSpanProcessor over OTLP/HTTP; `max_queue_size` raised; batches of 512, as by default. An event is a "
            "span with the turn as its attributes",
        ),
        SDK(
            "ddtrace",
            "ddtrace",
            "ddtrace",
            "from ddtrace.trace import tracer",
            50_000,
            False,
            "its tracer; `DD_TRACE_WRITER_BUFFER_SIZE_BYTES` raised, telemetry and remote configuration off. An "
            "event is a span with the turn as its tags",
        ),
        SDK(
            "langsmith",
            "langsmith",
            "langsmith",
            "from langsmith import Client",
            10_000,
            False,
            "`LANGSMITH_TRACING_QUEUE_MAX_SIZE` raised; batches of 100, as by default. An event is a run",
        ),
        SDK(
            "logs",
            "logging and requests",
            "the standard library",
            "import json, requests\nfrom logging.handlers import BufferingHandler, QueueHandler, QueueListener",
            100_000,
            False,
            "QueueHandler and QueueListener, a BufferingHandler of 500 records, json, and one `requests.Session`: no "
            "retries, no bound, no time-out",
        ),
        SDK(
            "kafka",
            "confluent-kafka",
            "confluent-kafka",
            "from confluent_kafka import Producer",
            1_000_000,
            False,
            "written in C, over its own protocol, to the mock broker in its own process: no HTTP, no sink; the queue's "
            "bounds raised. An event is a message of JSON by orjson",
            own_server=True,
        ),
    )
}

OURS = ("mindlytics", "mindlytics_asyncio")
SPOOLED = "mindlytics_spool"
YARDSTICKS = ("logs", "kafka")
"""No SDKs, hence no peers: what one can build oneself, and a client in C with another protocol."""
PEERS = tuple(name for name in SDKS if name not in (*OURS, SPOOLED, *YARDSTICKS))
