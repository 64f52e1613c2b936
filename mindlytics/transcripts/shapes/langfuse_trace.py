"""Traces of Langfuse: a ``trace`` with its ``observations``. Inputs and outputs are JSON, often inside JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from attrs import evolve

from ..content import count
from ..context import Context, Record
from ..exchanges import Exchange, by_time, talks_of
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Message, Said, Talk, Usage
from . import GroupedShape
from .langchain_dump import is_message, read_message
from .openai_chat import message as openai_message


def detects(record: object) -> bool:
    """A trace with observations."""
    if not isinstance(record, dict):
        return False
    return ("trace" in record and "observations" in record) or (
        isinstance(record.get("observations"), list) and "sessionId" in record
    )


def group(record: object, context: Context) -> str:
    """The session, or the trace."""
    record = an_object("", record)
    trace = an_object("trace", record.get("trace", record))
    return str(trace.get("sessionId") or trace.get("id"))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversations of a session."""
    exchanges: list[Exchange] = []
    for record in records:
        context.record = record
        with context.part():
            exchanges += _trace(record, context)
    yield from talks_of(exchanges, context)


def _trace(record: Record, context: Context) -> list[Exchange]:
    trace = an_object("trace", record.fields.get("trace", record.value))
    session, user = an_id(trace.get("sessionId")), an_id(trace.get("userId"))
    tags = trace.get("tags") or None
    found: list[Exchange] = []
    for index, observation in enumerate(a_list("observations", record.fields.get("observations"))):
        where = f"observations[{index}]"
        with context.part():
            each = an_object(where, observation)
            if each.get("type") != "GENERATION":
                continue
            history = messages_of(f"{where}.input", unfolded(each.get("input")), context)
            if not history:
                continue
            answers = messages_of(f"{where}.output", unfolded(each.get("output")), context, "assistant")
            model, usage = text_or_none(each.get("model")), _usage(each)
            answer = [evolve(m, model=model, usage=usage if m is answers[-1] else m.usage) for m in answers]
            found.append(
                Exchange(
                    [m for m in history if m.role != "system"],
                    answer or None,
                    session,
                    an_id(trace.get("id")),
                    user,
                    context.time(f"{where}.startTime", each.get("startTime")),
                    context.time(f"{where}.endTime", each.get("endTime")),
                    Message("assistant", model=model),
                    {"tags": tags} if tags else {},
                    record=record,
                )
            )
    began = context.time("trace.timestamp", trace.get("timestamp"))
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
                text_or_none(score.get("comment")),
            )
            for score in objects_in(trace.get("scores"))
        ]
    return found


def unfolded(value: object) -> object:
    """What is inside JSON, or inside JSON in JSON."""
    for _ in range(2):
        if not isinstance(value, str) or value[:1] not in '"{[':
            break
        try:
            value = json.loads(value)
        except ValueError:
            break
    return value


def messages_of(where: str, value: object, context: Context, role: str = "user") -> list[Message]:
    """The messages of what a model read or answered: a text, a message, a list, or an object with one."""
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


def _usage(each: JsonObject) -> Usage:
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


SHAPE = GroupedShape("langfuse_trace", detects, read, group)
