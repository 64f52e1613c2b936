"""Spans that libraries made, recorded from runs of theirs, become turns. No library is needed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mindlytics.integrations.recording import Recorder
from mindlytics.integrations.traces import Span, record

from .conftest import Face, result
from .sink import Sink

SPANS = Path(__file__).parent / "data" / "spans"


def spans_of(library: str) -> list[Span]:
    """The spans of one run."""
    return [
        Span(
            each["id"],
            each["parent"],
            each["name"],
            datetime.fromisoformat(each["start"].replace("Z", "+00:00")),
            datetime.fromisoformat(each["end"].replace("Z", "+00:00")),
            each["attributes"],
        )
        for each in json.loads((SPANS / f"{library}.json").read_text("utf-8"))
    ]


async def recorded(face: Face, sink: Sink, spans: list[Span]) -> list[dict[str, Any]]:
    record(spans, Recorder(face.client().create_session()))
    for client in face.clients:
        await result(client.flush(20))
    return [event["properties"] for event in sink.events if event["type"] == "track"]


@pytest.mark.parametrize(
    ("library", "question", "agent", "model"),
    [
        ("crewai", "How warm is it in Bern?", "Weather reporter", "gpt-4o"),
        ("autogen", "How warm is it now", "weather", "gpt-4o-2024-08-06"),
    ],
)
async def test_a_run_of_agents_is_one_turn_with_its_tools_and_tokens(
    face: Face, sink: Sink, library: str, question: str, agent: str, model: str
) -> None:
    call, turn = await recorded(face, sink, spans_of(library))
    assert ("warmth", '{"city": "Bern"}', "21 in Bern") == (call["name"], call["args"], call["result"])
    assert (question, "21 in Bern.", agent) == (turn["user"], turn["assistant"], turn["assistant_id"])
    assert (model, 20, 10, 2) == tuple(
        turn[name] for name in ("model", "prompt_tokens", "completion_tokens", "model_calls")
    )


async def test_words_that_look_like_a_list_are_a_question(face: Face, sink: Sink) -> None:
    at = spans_of("crewai")[0].began
    asked = {"openinference.span.kind": "AGENT", "input.value": "[urgent] Help!", "output.value": '{"a": 1}'}
    (turn,) = await recorded(face, sink, [Span("1", None, "agent", at, at, asked)])
    assert ("[urgent] Help!", '{"a": 1}') == (turn["user"], turn["assistant"])
