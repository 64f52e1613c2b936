"""Each sample comes to exactly what stands beside it. All texts, names, ids and numbers in the samples are invented.

``FILE.expected.json`` has the conversations, the places of the problems, and what is left out and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mindlytics.transcripts import Problem, Transcript, Turn, read
from mindlytics.transcripts.detecting import BY_NAME

SAMPLES = Path(__file__).parent / "samples"
FILES = sorted(
    each.relative_to(SAMPLES).as_posix() for each in SAMPLES.glob("*/*") if not each.name.endswith(".expected.json")
)
SHAPE_OF = {"containers": "openai_chat", "parquet_messages": "csv_messages"}
USAGE = ("model", "prompt_tokens", "completion_tokens", "cached_tokens", "assistant_id")


def found(file: Path, **options: Any) -> tuple[list[dict[str, Any]], list[str], set[str]]:
    items = sorted(read(file, **options), key=lambda item: item.line)  # records read together come at the end
    conversations = [plain(each) for each in items if isinstance(each, Transcript)]
    shapes = {each.shape for each in items if isinstance(each, Transcript)}
    return conversations, [each.where for each in items if isinstance(each, Problem)], shapes


def plain(item: Transcript) -> dict[str, Any]:
    """A transcript in the words of the expected results."""
    turns: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for step in item.steps:
        if isinstance(step, Turn):
            extra = {name: count for name in USAGE if (count := getattr(step, name)) is not None}
            at = {} if step.timestamp is None else {"at": step.timestamp}
            turns.append({"user": step.user, "assistant": step.assistant, **extra, **at})
        else:
            calls.append(
                {"name": step.name, "args": value(step.args), "result": value(step.result), "before_turn": len(turns)}
            )
    return {
        "conversation_id": item.session["conversation_id"],
        "user_id": item.session["user_id"],
        "started_at": item.began,
        "ended_at": item.ended,
        "turns": turns,
        "calls": calls,
        "feedback": [
            {
                "turn": each.turn,
                "name": each.name,
                "value": each.value,
                **({"comment": each.comment} if each.comment else {}),
                **each.more,
            }
            for each in item.feedback
        ],
        "attributes": {name: scalar(each) for name, each in (item.session["attributes"] or {}).items()},
    }


def value(text: Any) -> Any:
    """Arguments and results that are JSON are compared as that."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def scalar(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def wanted(conversation: dict[str, Any]) -> dict[str, Any]:
    def as_datetime(text: str | None) -> datetime | None:
        if text is None:
            return None
        head, _, fraction = text.removesuffix("Z").partition(".")
        return datetime.fromisoformat(head).replace(tzinfo=timezone.utc, microsecond=int(fraction.ljust(6, "0") or 0))

    return {
        **conversation,
        "started_at": as_datetime(conversation["started_at"]),
        "ended_at": as_datetime(conversation["ended_at"]),
        "turns": [
            {**turn, **({"at": as_datetime(turn["at"])} if "at" in turn else {})} for turn in conversation["turns"]
        ],
        "calls": [
            {**call, "args": value(call["args"]), "result": value(call["result"])} for call in conversation["calls"]
        ],
    }


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for each in value if isinstance(value, list) else value.values():
            yield from texts(each)


@pytest.mark.parametrize("name", FILES)
def test_a_sample_comes_to_what_stands_beside_it(name: str) -> None:
    file = SAMPLES / name
    expected = json.loads((SAMPLES / f"{name}.expected.json").read_text("utf-8"))
    conversations, problems, shapes = found(file, **expected.get("options", {}))
    assert list(map(wanted, expected["conversations"])) == conversations
    assert [each["where"] for each in expected["problems"]] == problems
    assert shapes <= {SHAPE_OF.get(file.parent.name, file.parent.name)}


@pytest.mark.parametrize("name", FILES)
def test_empty_turns_are_left_out(name: str) -> None:
    expected = json.loads((SAMPLES / f"{name}.expected.json").read_text("utf-8"))
    conversations, _, _ = found(SAMPLES / name, **expected.get("options", {}))
    said = [text for each in conversations for turn in each["turns"] for text in (turn["user"], turn["assistant"])]
    for each in expected["left_out"]:
        assert each["text"] not in said


def test_every_shape_has_a_sample() -> None:
    assert {*BY_NAME} == {name.partition("/")[0] for name in FILES} - {*SHAPE_OF}


def test_every_format_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "importing.md").read_text("utf-8")
    assert {*BY_NAME} == {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
