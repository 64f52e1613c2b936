"""Spans in OpenInference's words, as Phoenix exports them: ``llm.input_messages.0.message.role`` and so on."""

from __future__ import annotations

from collections.abc import Iterator

from ..content import count
from ..context import Context, Record
from ..exchanges import Exchange, by_time, talks_of
from ..fields import JsonObject, an_id, an_object, object_or_empty, objects_in, text_or_none
from ..talk import Message, Said, Talk, Usage
from . import GroupedShape
from .openai_chat import message as openai_message


def detects(record: object) -> bool:
    """A span with ``span_kind`` and ``context``."""
    return isinstance(record, dict) and "span_kind" in record and "context" in record


def group(record: object, context: Context) -> str:
    """The session, or the trace."""
    record = an_object("", record)
    attributes = an_object("attributes", record.get("attributes"))
    return str(attributes.get("session.id") or an_object("context", record.get("context")).get("trace_id"))


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversations of a session."""
    traces: dict[str, list[Record]] = {}
    for record in records:
        traces.setdefault(str(object_or_empty(record.fields.get("context")).get("trace_id")), []).append(record)
    exchanges: list[Exchange] = []
    for trace, found in traces.items():
        spans = [each for each in found if each.fields.get("span_kind") == "LLM"]
        roots = [each for each in found if not each.fields.get("parent_id")]
        mine: list[Exchange] = []
        for record in spans or [each for each in roots if each.fields.get("span_kind") in ("AGENT", "CHAIN")]:
            context.record = record
            with context.part():
                mine.append(_exchange(record, trace, context, bool(spans)))
        mine = [each for each in mine if each.messages or each.answer]
        if mine and roots:
            mine.sort(key=by_time)
            context.record = roots[0]
            mine[0].began = context.time("start_time", roots[0].fields.get("start_time")) or mine[0].began
        exchanges += mine
    yield from talks_of(exchanges, context)


def _exchange(record: Record, trace: str, context: Context, is_model: bool) -> Exchange:
    span = record.fields
    attributes = an_object("attributes", span.get("attributes"))
    if is_model:
        messages = _messages("llm.input_messages", attributes, context)
        answers = _messages("llm.output_messages", attributes, context)
        counts = (
            attributes.get(f"llm.token_count.{name}") for name in ("prompt", "completion", "prompt_details.cache_read")
        )
        read, written, cached = (count(each) for each in counts)
        model = text_or_none(attributes.get("llm.model_name"))
        usage = Usage(read, written, cached)
        answer = [Message("assistant", each.items, model=model, usage=usage) for each in answers[:1]]
    else:
        question, said = attributes.get("input.value"), attributes.get("output.value")
        messages = [Message("user", (Said(question),))] if isinstance(question, str) else []
        answer = [Message("assistant", (Said(said),))] if isinstance(said, str) else []
    return Exchange(
        [each for each in messages if each.role != "system"],
        answer or None,
        an_id(attributes.get("session.id")),
        trace,
        an_id(attributes.get("user.id")),
        context.time("start_time", span.get("start_time")),
        context.time("end_time", span.get("end_time")),
        record=record,
    )


def nested(prefix: str, attributes: JsonObject) -> list[JsonObject]:
    """Attributes such as ``PREFIX.0.message.role`` as a list of nested dicts, by their numbers."""
    root: JsonObject = {}
    for name, value in attributes.items():
        if name.startswith(prefix + "."):
            here = root
            *path, last = name[len(prefix) + 1 :].split(".")
            for part in path:
                below = here.setdefault(part, {})
                if not isinstance(below, dict):
                    break
                here = below
            else:
                here[last] = value
    return list_of(root)


def list_of(value: object) -> list[JsonObject]:
    """The objects of a dict with numbers for keys, by number."""
    found = object_or_empty(value)
    return objects_in([found[key] for key in sorted((key for key in found if key.isdecimal()), key=int)])


def _messages(prefix: str, attributes: JsonObject, context: Context) -> list[Message]:
    found = []
    for index, each in enumerate(nested(prefix, attributes)):
        inner = object_or_empty(each.get("message"))
        parts = [part.get("message_content", {}) for part in list_of(inner.get("contents"))]
        calls = [call.get("tool_call", {}) for call in list_of(inner.get("tool_calls"))]
        message: JsonObject = {
            "role": inner.get("role"),
            "content": inner.get("content", parts or None),
            "tool_calls": calls,
            **({"tool_call_id": inner["tool_call_id"]} if inner.get("tool_call_id") else {}),
        }
        found.append(openai_message(f"{prefix}.{index}", message, context))
    return found


SHAPE = GroupedShape("openinference_spans", detects, read, group)
