"""Traces of Langfuse: a ``trace`` with its ``observations``. Inputs and outputs are JSON, often inside JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ..content import count
from ..context import Context, Record, a_list, an_id, an_object, object_or_empty
from ..exchanges import Exchange, by_time, talks_of
from ..model import Feedback
from ..talk import Message, Said, Talk, Usage
from . import Shape
from .langchain_dump import is_message, read_message
from .openai_chat import message as openai_message


def detects(record: Any) -> bool:
    """A trace with observations."""
    if not isinstance(record, dict):
        return False
    return ("trace" in record and "observations" in record) or (
        isinstance(record.get("observations"), list) and "sessionId" in record
    )


def group(record: Any, context: Context) -> str:
    """The session, or the trace."""
    trace = an_object("trace", record.get("trace", record))
    return str(trace.get("sessionId") or trace.get("id"))


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversations of a session."""
    exchanges: list[Exchange] = []
    for record in records:
        context.record = record
        with context.part():
            exchanges += _trace(record, context)
    yield from talks_of(exchanges, context)


def _trace(record: Record, context: Context) -> list[Exchange]:
    trace = an_object("trace", record.value.get("trace", record.value))
    session, user = an_id(trace.get("sessionId")), an_id(trace.get("userId"))
    tags = trace.get("tags") or None
    found: list[Exchange] = []
    for index, each in enumerate(a_list("observations", record.value.get("observations"))):
        if each.get("type") != "GENERATION":
            continue
        where = f"observations[{index}]"
        with context.part():
            given = messages_of(f"{where}.input", unfolded(each.get("input")), context)
            if not given:
                continue
            answers = messages_of(f"{where}.output", unfolded(each.get("output")), context, "assistant")
            model, usage = each.get("model"), _usage(each)
            answer = [evolve(m, model=model, usage=usage if m is answers[-1] else m.usage) for m in answers]
            found.append(
                Exchange(
                    [m for m in given if m.role != "system"],
                    answer or None,
                    session,
                    an_id(trace.get("id")),
                    user,
                    context.moment(f"{where}.startTime", each.get("startTime")),
                    context.moment(f"{where}.endTime", each.get("endTime")),
                    Message("assistant", model=model),
                    {"tags": tags} if tags else {},
                    record=record,
                )
            )
    began = context.moment("trace.timestamp", trace.get("timestamp"))
    if not found and isinstance(question := unfolded(trace.get("input")), str):
        answer_ = unfolded(trace.get("output"))
        said = [Message("assistant", (Said(answer_),))] if isinstance(answer_, str) else None
        found = [
            Exchange([Message("user", (Said(question),))], said, session, an_id(trace.get("id")), user, began, began)
        ]
    if found:
        found.sort(key=by_time)
        found[0].began = began or found[0].began
        found[-1].feedback += [
            Feedback(
                str(score.get("name")),
                score.get("stringValue") or score.get("value"),
                None,
                score.get("comment") or None,
            )
            for score in trace.get("scores") or []
            if isinstance(score, dict)
        ]
    return found


def unfolded(value: Any) -> Any:
    """What is inside JSON, or inside JSON in JSON."""
    for _ in range(2):
        if not isinstance(value, str) or value[:1] not in '"{[':
            break
        try:
            value = json.loads(value)
        except ValueError:
            break
    return value


def messages_of(where: str, value: Any, context: Context, role: str = "user") -> list[Message]:
    """The messages of what a model was given or answered: a text, a message, a list, or an object with one."""
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, str):
        return [Message(role, (Said(value),), where=where)]
    found: list[Message] = []
    for index, each in enumerate(value if isinstance(value, list) else [value]):
        place = f"{where}[{index}]" if isinstance(value, list) else where
        if is_message(each):
            message = read_message(place, each, context)
            found += [message] if message is not None else []
        elif isinstance(each, dict) and ("content" in each or "tool_calls" in each):
            found.append(openai_message(place, {"role": role, **each}, context))
    return found


def _usage(each: dict[str, Any]) -> Usage:
    details = each.get("usageDetails")
    cost = each.get("totalCost") or each.get("calculatedTotalCost") or None
    cost = float(cost) if isinstance(cost, (int, float)) else None
    if not isinstance(details, dict) or not details:
        usage = object_or_empty(each.get("usage"))
        return Usage(count(usage.get("input")), count(usage.get("output")), None, cost)
    sums = {
        start: sum(count(value) or 0 for name, value in details.items() if name.startswith(start))
        for start in ("input", "output")
    }
    cached = next(
        (count(value) for name, value in details.items() if name in ("input_cache_read", "input_cached_tokens")), None
    )
    return Usage(sums["input"], sums["output"], cached, cost)


SHAPE = Shape("langfuse_trace", detects, read, group)
