"""langsmith: a run of a language model with the turn as its inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from uuid import uuid4

from langsmith import Client

from ..turns import Turn, properties


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    os.environ["LANGSMITH_TRACING_QUEUE_MAX_SIZE"] = str(max(events, 10_000))
    client = Client(api_url=url, api_key="key")

    def record(turn: Turn) -> None:
        said = properties(turn)
        now, id = datetime.now(timezone.utc), uuid4()
        client.create_run(
            "conversation turn",
            inputs={"user": said.pop("user")},
            outputs={"assistant": said.pop("assistant")},
            extra={"metadata": said},
            run_type="llm",
            id=id,
            trace_id=id,
            dotted_order=f"{now:%Y%m%dT%H%M%S%fZ}{id}",
            start_time=now,
            end_time=now,
        )

    def deliver() -> None:
        client.flush()
        client.close()

    return record, deliver
