"""ddtrace: a span with the turn as its tags, in a trace of its own."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..turns import Turn, properties


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    os.environ |= {
        "DD_TRACE_AGENT_URL": url,
        "DD_TRACE_WRITER_BUFFER_SIZE_BYTES": str(max(2**28, 4_096 * events)),
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    }
    from ddtrace.trace import tracer  # noqa: PLC0415  it reads its settings as it is imported

    def record(turn: Turn) -> None:
        with tracer.trace("conversation turn") as span:
            span.set_tags(properties(turn))

    def deliver() -> None:
        tracer.flush()
        tracer.shutdown(300)

    return record, deliver
