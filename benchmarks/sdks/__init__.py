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
    )
}

OURS = ("mindlytics", "mindlytics_asyncio")
PEERS = tuple(name for name in SDKS if name not in OURS)
