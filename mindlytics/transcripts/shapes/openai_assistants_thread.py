"""Threads of OpenAI's Assistants API: ``thread.message`` objects, one by one or as a list, with runs and steps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from .. import content
from ..context import Context, Record
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, objects_in, text_or_none
from ..talk import Called, Item, Message, Returned, Talk, Usage, with_attributes
from . import GroupedShape
from .openai_chat import ROLES, first_time

OBJECTS = ("thread.message", "thread", "thread.run", "thread.run.step")


def detects(record: object) -> bool:
    """An object of a thread, or a list of such."""
    if not isinstance(record, dict):
        return False
    if record.get("object") == "list" and isinstance(record.get("data"), list):
        return bool(record["data"]) and detects(record["data"][0])
    return record.get("object") in OBJECTS


def group(record: object, context: Context) -> str:
    """The thread's id."""
    record = an_object("", record)
    data = a_list("data", record.get("data")) if record.get("object") == "list" else []
    found = object_or_empty(data[0]) if data else record
    return str(found.get("thread_id") or found.get("id"))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of a thread."""
    talk = Talk()
    runs: dict[str, JsonObject] = {}
    messages: list[tuple[datetime | None, str, Message]] = []
    for record in records:
        context.record = record
        is_list = record.fields.get("object") == "list"
        entries = a_list("data", record.fields.get("data")) if is_list else [record.fields, *_inside(record.fields)]
        for index, entry in enumerate(entries):
            with context.part():
                where = f"data[{index}]." if is_list else ""
                each = an_object(where.rstrip("."), entry)
                at = first_time(where, each, context)
                kind = each.get("object")
                if kind == "thread":
                    talk.conversation_id, talk.began = an_id(each.get("id")), at
                    with_attributes(talk, object_or_empty(each.get("metadata")))
                    continue
                talk.conversation_id = talk.conversation_id or an_id(each.get("thread_id"))
                if kind == "thread.run":
                    runs[str(each.get("id"))] = each
                elif kind == "thread.run.step":
                    messages.append((at, str(each.get("run_id")), Message("assistant", tuple(_steps(each)), at)))
                else:
                    role = ROLES.get(str(each.get("role")).lower(), "user")
                    parts = content.items(f"{where}content", each.get("content"), context)
                    message = Message(
                        role,
                        parts,
                        at,
                        assistant_id=text_or_none(each.get("assistant_id")),
                        id=text_or_none(each.get("id")),
                    )
                    messages.append((at, str(each.get("run_id")), message))
    messages.sort(key=lambda each: (each[0] is None, each[0]))
    for _, run_id, message in messages:
        run = runs.pop(run_id, None) if message.role == "assistant" else None
        if run is not None:
            usage = object_or_empty(run.get("usage"))
            counted = Usage(content.count(usage.get("prompt_tokens")), content.count(usage.get("completion_tokens")))
            talk.take(Message("assistant", (), message.at, usage=counted))
            talk.model = talk.model or text_or_none(run.get("model"))
        talk.take(message)
    yield talk


def _inside(thread: JsonObject) -> list[JsonObject]:
    """The messages, runs and steps in a thread's own object."""
    found: list[JsonObject] = []
    for name in ("messages", "runs", "steps"):
        inner = thread.get(name)
        found += objects_in(inner.get("data") if isinstance(inner, dict) else inner)
    return found


def _steps(step: JsonObject) -> Iterator[Item]:
    for call in objects_in(object_or_empty(step.get("step_details")).get("tool_calls")):
        function = call.get("function")
        kind, id = str(call.get("type")), text_or_none(call.get("id"))
        if isinstance(function, dict):
            yield Called(str(function.get("name")), content.arguments(function.get("arguments")), id)
            yield Returned(content.arguments(function.get("output")), id)
        else:
            yield Called(kind, content.arguments(call.get(kind)), id)


SHAPE = GroupedShape("openai_assistants_thread", detects, read, group)
