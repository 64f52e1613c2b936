"""OpenTelemetry: a span with the turn as its attributes, through the batch processor and OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ..turns import Turn, properties


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=max(events, 2_048)))
    tracer = provider.get_tracer("benchmarks")

    def record(turn: Turn) -> None:
        tracer.start_span("conversation turn", attributes=properties(turn)).end()

    return record, provider.shutdown
