"""Values that JSON can hold and a service cannot: the conversation around them is sent, and so are all others."""

from __future__ import annotations

from typing import Any

import pytest

from mindlytics.transcripts import Summary, record

from ..sink import Sink

HUGE = 10**30
FIRST, LAST = ({"messages": [{"role": "user", "content": text}]} for text in ("first", "last"))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def called(**call: Any) -> dict[str, Any]:
    return {"tool_calls": [{"id": "1", "function": {"name": "look_up", "arguments": "{}"}, **call}]}


def imported(sink: Sink, *rows: dict[str, Any]) -> tuple[Summary, list[str], list[str]]:
    """What an import of these rows comes to, its problems, and what users said at the service."""
    problems: list[str] = []
    service = {"server_endpoint": sink.url, "api_key": "key", "project_id": "tea"}
    summary = record(rows, **service, connections=1, on_problem=lambda where, why: problems.append(f"{where}: {why}"))
    turns = (event["properties"] for event in sink.events if event.get("event") == "Conversation Turn")
    return summary, problems, [turn["user"] for turn in turns]


@pytest.mark.parametrize(
    ("whole", "answer"),
    [
        ({}, {"content": "Gr\ud800n."}),
        ({"conversation_id": "c\ud800", "user_id": "\udfff"}, {}),
        ({"metadata": {"\ud800": "\udfff", "number": HUGE, "nested": nested(500)}}, {}),
        ({}, {"model": "\ud800", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
        ({}, {"usage": {"prompt_tokens": HUGE, "completion_tokens": 1e300}, "cost": HUGE}),
        ({}, {"assistant_id": "robo" * 50}),
        ({}, {"assistant_id": "\ud800"}),
        ({}, {"feedback": {"name": "\ud800", "value": HUGE, "comment": "\ud800", "tag": nested(300)}}),
        ({}, called(runtime=HUGE)),
        ({}, called(function={"name": "look_up", "arguments": {"\ud800": nested(300)}})),
        ({}, {"properties": {"number": HUGE, "text": "\ud800", "user": "x"}}),
    ],
    ids=[
        "text",
        "ids",
        "metadata",
        "model",
        "usage",
        "long id",
        "id",
        "feedback",
        "runtime",
        "arguments",
        "properties",
    ],
)
def test_an_odd_value_costs_no_conversation(whole: dict[str, Any], answer: dict[str, Any], sink: Sink) -> None:
    odd = {
        "messages": [{"role": "user", "content": "odd"}, {"role": "assistant", "content": "Green.", **answer}],
        **whole,
    }
    summary, problems, said = imported(sink, FIRST, odd, LAST)
    assert ["first", "odd", "last"] == said
    assert (3, 0, 0) == (summary.conversations, summary.refused, summary.dropped)
    assert [] == [each for each in problems if not each.startswith("mindlytics: ")]  # those say what was changed


def test_what_cannot_be_encoded_at_all_is_a_problem(sink: Sink) -> None:
    summary, problems, said = imported(sink, FIRST, {**FIRST, "metadata": {("a", "key"): 1}}, LAST)
    assert ["first", "last"] == said
    assert (["row 2: does not have the form of its format (TypeError)"], 1) == (problems, summary.problems)
