"""Threads of OpenAI's Assistants API: ``thread.message`` objects, one by one or as a list, with runs and steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import content
from ..context import Context, a_list
from ..talk import Called, Message, Returned, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import ROLES, first_moment

OBJECTS = ("thread.message", "thread", "thread.run", "thread.run.step")


def detects(record: Any) -> bool:
    """An object of a thread, or a list of such."""
    if not isinstance(record, dict):
        return False
    if record.get("object") == "list" and isinstance(record.get("data"), list):
        return bool(record["data"]) and detects(record["data"][0])
    return record.get("object") in OBJECTS


def group(record: Any, context: Context) -> str:
    """The thread's id."""
    found = record["data"][0] if record.get("object") == "list" else record
    return str(found.get("thread_id") or found.get("id"))


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversation of a thread."""
    talk = Talk()
    runs: dict[str, dict[str, Any]] = {}
    messages: list[tuple[Any, Any, Message]] = []
    for record in records:
        context.record = record
        value = record.value
        given = a_list("data", value["data"]) if value.get("object") == "list" else [value, *_inside(value)]
        for index, each in enumerate(given):
            with context.part():
                where = f"data[{index}]." if value.get("object") == "list" else ""
                at = first_moment(where, each, context)
                kind = each.get("object")
                if kind == "thread":
                    talk.conversation_id, talk.began = each.get("id"), at
                    with_attributes(talk, each.get("metadata"))
                    continue
                talk.conversation_id = talk.conversation_id or each.get("thread_id")
                if kind == "thread.run":
                    runs[str(each.get("id"))] = each
                elif kind == "thread.run.step":
                    messages.append((at, each.get("run_id"), Message("assistant", tuple(_steps(each)), at)))
                else:
                    role = ROLES.get(str(each.get("role")).lower(), "user")
                    parts = content.items(f"{where}content", each.get("content"), context)
                    message = Message(role, parts, at, assistant_id=each.get("assistant_id"), id=each.get("id"))
                    messages.append((at, each.get("run_id"), message))
    messages.sort(key=lambda each: (each[0] is None, each[0]))
    for _, run_id, message in messages:
        run = runs.pop(str(run_id), None) if message.role == "assistant" else None
        if run is not None:
            usage = run.get("usage") or {}
            counted = Usage(content.count(usage.get("prompt_tokens")), content.count(usage.get("completion_tokens")))
            talk.take(Message("assistant", (), message.at, usage=counted))
            talk.model = talk.model or run.get("model")
        talk.take(message)
    yield talk


def _inside(value: dict[str, Any]) -> list[Any]:
    """The messages, runs and steps in a thread's own object."""
    found: list[Any] = []
    for name in ("messages", "runs", "steps"):
        inner = value.get(name)
        inner = inner.get("data") if isinstance(inner, dict) else inner
        found += [each for each in inner if isinstance(each, dict)] if isinstance(inner, list) else []
    return found


def _steps(step: dict[str, Any]) -> Iterator[Any]:
    details = step.get("step_details")
    for call in (details.get("tool_calls") or []) if isinstance(details, dict) else []:
        function = call.get("function")
        kind = str(call.get("type"))
        if isinstance(function, dict):
            yield Called(str(function.get("name")), content.arguments(function.get("arguments")), call.get("id"))
            yield Returned(content.arguments(function.get("output")), call.get("id"))
        else:
            yield Called(kind, content.arguments(call.get(kind)), call.get("id"))


SHAPE = Shape("openai_assistants_thread", detects, read, group)
