"""Threads of Chainlit with their ``steps``, as its data layer returns them, or steps one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Union

from ..content import arguments, count, name
from ..context import Context, Record
from ..fields import JsonObject, a_list, an_id, an_object, list_or_empty, object_or_empty, text_or_none
from ..model import Feedback
from ..talk import Called, Message, Returned, Said, Talk, Usage, with_attributes
from . import GroupedShape

MESSAGES = {"user_message": "user", "assistant_message": "assistant", "system_message": "system"}
STEPS = frozenset(("run", "tool", "llm", "embedding", "retrieval", "rerank", "undefined"))

Step = tuple[Union[datetime, None], Record, str, JsonObject]
"""Its time, its record, its place and its fields."""


def detects(record: object) -> bool:
    """A thread with steps, or a step."""
    if not isinstance(record, dict):
        return False
    steps = record.get("steps")
    if isinstance(steps, list) and "createdAt" in record:
        return not steps or _is_step(steps[0])
    return _is_step(record)


def _is_step(value: object) -> bool:
    kind = object_or_empty(value).get("type")
    return isinstance(value, dict) and "threadId" in value and (kind in MESSAGES or kind in STEPS)


def group(record: object, context: Context) -> str:
    """The thread's id."""
    fields = an_object("", record)
    return str(fields.get("id") if "steps" in fields else fields.get("threadId"))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of a thread."""
    talk = Talk()
    steps: list[Step] = []
    for record in records:
        context.record = record
        with context.part():
            if "steps" in record.fields:
                _describe(talk, record.fields, context)
                for index, value in enumerate(a_list("steps", record.fields["steps"])):
                    steps += _steps(f"steps[{index}]", value, record, context)
            else:
                talk.conversation_id = an_id(record.fields.get("threadId"))
                steps += _steps("step", record.value, record, context)
    if all(at is not None for at, *_ in steps):
        steps.sort(key=lambda each: (each[0] is None, each[0]))
    answers: dict[str, str] = {}
    for at, record, where, step in steps:
        context.record = record
        with context.part():
            message = _message(where, step, at, context)
            talk.take(message)
            if message.role == "assistant" and message.id is not None:
                answers[str(step.get("parentId"))] = message.id
    talk.finish()
    for *_, step in steps:
        id = str(step.get("id"))
        turn = talk.turn_of.get(id, talk.turn_of.get(answers.get(id, "")))
        talk.feedback += _opinions(step, turn)
    yield talk


def _steps(where: str, value: object, record: Record, context: Context) -> Iterator[Step]:
    """A step with its time, unless it has none that can be read."""
    with context.part():
        step = an_object(where, value)
        at = context.time(f"{where}.start", step.get("start"))
        yield at or context.time(f"{where}.createdAt", step.get("createdAt")), record, where, step


def _describe(talk: Talk, thread: JsonObject, context: Context) -> None:
    talk.conversation_id = an_id(thread.get("id"))
    talk.user_id = an_id(thread.get("userIdentifier"), thread.get("userId"))
    talk.began = context.time("createdAt", thread.get("createdAt"))
    with_attributes(talk, {"title": thread.get("name")}, _object(thread.get("metadata")))
    for _ in list_or_empty(thread.get("elements")):
        context.leave("elements")


def _message(where: str, step: JsonObject, at: datetime | None, context: Context) -> Message:
    kind, output = str(step.get("type")), step.get("output")
    id, who = an_id(step.get("id")), text_or_none(step.get("name"))
    if kind == "tool":
        call = Called(name(f"{where}.name", who), arguments(step.get("input")) or None, id)
        return Message("assistant", (call, Returned(arguments(output), id)), at)
    if kind == "llm":
        used = _object(step.get("generation"))
        usage = Usage(count(used.get("inputTokenCount")), count(used.get("outputTokenCount")))
        return Message("assistant", (), at, text_or_none(used.get("model")), usage)
    role = MESSAGES.get(kind, "system")
    if role == "system":
        if kind in MESSAGES:
            context.leave("system messages")
        elif kind in STEPS:
            context.leave(f"steps of type {kind}")
        else:
            context.unread(f"steps of type {kind[:60]}")
        return Message("system", at=at)
    if step.get("isError") is True:
        context.leave("errors of the program")
        return Message(role, (), at, failed=True)
    items = (Said(arguments(output) or ""),)
    return Message(role, items, at, assistant_id=who if role == "assistant" else None, id=id, where=where)


def _object(value: object) -> JsonObject:
    """A JSON object, which a database may hold as text."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            return object_or_empty(json.loads(value))
    return object_or_empty(value)


def _opinions(step: JsonObject, turn: int | None) -> Iterator[Feedback]:
    found = object_or_empty(step.get("feedback"))
    if found.get("value") is not None:
        yield Feedback("feedback", found["value"], turn, text_or_none(found.get("comment")))


SHAPE = GroupedShape("chainlit_thread", detects, read, group)
