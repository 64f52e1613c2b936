"""OTLP in JSON with ``gen_ai.*``: OpenTelemetry's conventions of each version, and OpenLLMetry's attributes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from attrs import evolve

from ..content import arguments, count
from ..context import Context, Record
from ..exchanges import Exchange, by_time, talks_of
from ..fields import JsonObject, a_list, an_object, list_or_empty, object_or_empty, objects_in, text_or_none
from ..model import Feedback
from ..talk import Called, Item, Message, Returned, Said, Talk, Usage
from . import GroupedShape
from .langfuse_trace import unfolded
from .openai_chat import message as openai_message
from .openinference_spans import list_of, nested

USERS = ("enduser.id", "user.id", "traceloop.association.properties.user_id")
IDS = ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id")
ROLES = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"}


def detects(record: object) -> bool:
    """``resourceSpans``."""
    return isinstance(record, dict) and ("resourceSpans" in record or "resource_spans" in record)


def group(record: object, context: Context) -> str:
    """All of a file: the spans of a trace come in any lines."""
    record = an_object("", record)
    a_list("resourceSpans", record.get("resourceSpans", record.get("resource_spans")))
    return "file"


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversations of all traces."""
    traces: dict[str, list[tuple[Record, JsonObject, JsonObject]]] = {}
    for record in records:
        for span in _spans(record.fields):
            traces.setdefault(str(span.get("traceId")), []).append((record, span, _attributes(span)))
    by_conversation: dict[str, list[Exchange]] = {}
    for trace, spans in traces.items():
        conversation = next((str(found[name]) for name in IDS for _, _, found in spans if name in found), None)
        user = next((str(found[name]) for name in USERS for _, _, found in spans if name in found), None)
        mine: list[Exchange] = []
        for record, span, attributes in spans:
            context.record = record
            with context.part():
                exchange = _exchange(record, span, attributes, context)
                if exchange is not None:
                    exchange.conversation_id, exchange.id, exchange.user_id = conversation, trace, user
                    mine.append(exchange)
        if mine:
            mine.sort(key=by_time)
            root = next((span for _, span, _ in spans if not span.get("parentSpanId")), None)
            if root is not None:
                began, ended = _times(root, context)
                mine[0].began = began or mine[0].began
                last = mine[-1]
                last.answer = [_dated(each, last.ended) for each in last.answer] if last.answer else last.answer
                last.ended = ended or last.ended
            by_conversation.setdefault(conversation or trace, []).extend(mine)
    for exchanges in by_conversation.values():
        yield from talks_of(exchanges, context)


def _dated(message: Message, at: datetime | None) -> Message:
    return message if message.at else evolve(message, at=at)


def _spans(value: JsonObject) -> Iterator[JsonObject]:
    for resource in objects_in(value.get("resourceSpans", value.get("resource_spans"))):
        for scope in objects_in(resource.get("scopeSpans", resource.get("scope_spans"))):
            yield from objects_in(scope.get("spans"))


def _attributes(holder: JsonObject) -> JsonObject:
    return {str(each.get("key")): _value(each.get("value")) for each in objects_in(holder.get("attributes"))}


def _value(value: object) -> object:
    if not isinstance(value, dict):
        return value
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [_value(each) for each in list_or_empty(object_or_empty(value["arrayValue"]).get("values"))]
    if "kvlistValue" in value:
        pairs = objects_in(object_or_empty(value["kvlistValue"]).get("values"))
        return {str(each.get("key")): _value(each.get("value")) for each in pairs}
    return next(iter(value.values()), None)


def _times(span: JsonObject, context: Context) -> tuple[datetime | None, datetime | None]:
    return (
        context.time("startTimeUnixNano", span.get("startTimeUnixNano")),
        context.time("endTimeUnixNano", span.get("endTimeUnixNano")),
    )


def _exchange(record: Record, span: JsonObject, found: JsonObject, context: Context) -> Exchange | None:
    model = text_or_none(found.get("gen_ai.response.model")) or text_or_none(found.get("gen_ai.request.model"))
    if model is None and "gen_ai.system" not in found and "gen_ai.provider.name" not in found:
        return None
    messages, answers, feedback = _said(span, found, context)
    if not messages and not answers:
        context.leave("spans of models that recorded no content")
        return None
    usage = Usage(
        count(found.get("gen_ai.usage.input_tokens", found.get("gen_ai.usage.prompt_tokens"))),
        count(found.get("gen_ai.usage.output_tokens", found.get("gen_ai.usage.completion_tokens"))),
        count(found.get("gen_ai.usage.cache_read.input_tokens", found.get("gen_ai.usage.cache_read_input_tokens"))),
    )
    began, ended = _times(span, context)
    answer = [Message("assistant", each.items, model=model, usage=usage) for each in answers[:1]]
    history = [each for each in messages if each.role != "system"]
    return Exchange(history, answer or None, began=began, ended=ended, feedback=feedback, record=record)


def _said(span: JsonObject, found: JsonObject, context: Context) -> tuple[list[Message], list[Message], list[Feedback]]:
    messages = [_openllmetry(each, context, "gen_ai.prompt") for each in nested("gen_ai.prompt", found)]
    answers = [_openllmetry(each, context, "gen_ai.completion") for each in nested("gen_ai.completion", found)]
    feedback: list[Feedback] = []
    sources = [found]
    for event in objects_in(span.get("events")):
        name, details = str(event.get("name")), _attributes(event)
        if name in ROLES or name == "gen_ai.tool.message":
            role = ROLES.get(name, "tool")
            inner: JsonObject = {
                "role": role,
                "content": details.get("content"),
                "tool_calls": unfolded(details.get("tool_calls")) or [],
            }
            if role == "tool":
                inner["tool_call_id"] = details.get("id")
            messages.append(openai_message(name, inner, context))
        elif name == "gen_ai.choice":
            answer = unfolded(details.get("message"))
            if isinstance(answer, dict):
                answers.append(openai_message(name, {"role": "assistant", **answer}, context))
        elif name.endswith("inference.operation.details"):
            sources.append(details)
        elif name.startswith("gen_ai.evaluation"):
            value = details.get("gen_ai.evaluation.score.value", details.get("gen_ai.evaluation.score.label"))
            comment = text_or_none(details.get("gen_ai.evaluation.explanation"))
            feedback.append(Feedback(str(details.get("gen_ai.evaluation.name")), value, None, comment))
    for source in sources:
        messages += _parts("gen_ai.input.messages", source, context)
        answers += _parts("gen_ai.output.messages", source, context)
    return messages, answers, feedback


def _openllmetry(fields: JsonObject, context: Context, where: str) -> Message:
    calls = [
        {"id": call.get("id"), "function": {"name": call.get("name"), "arguments": call.get("arguments")}}
        for call in list_of(fields.get("tool_calls"))
    ]
    content = unfolded(fields.get("content"))
    inner: JsonObject = {
        "role": fields.get("role"),
        "content": fields.get("content") if isinstance(content, dict) else content,
        "tool_calls": calls,
    }
    if fields.get("tool_call_id"):
        inner["tool_call_id"] = fields["tool_call_id"]
    return openai_message(where, inner, context)


def _parts(name: str, found: JsonObject, context: Context) -> Iterator[Message]:
    for message in objects_in(unfolded(found.get(name))):
        items: list[Item] = []
        for part in objects_in(message.get("parts")):
            kind, id = part.get("type"), text_or_none(part.get("id"))
            if kind == "text":
                items.append(Said(str(part.get("content"))))
            elif kind == "tool_call":
                items.append(Called(str(part.get("name")), arguments(part.get("arguments")), id))
            elif kind == "tool_call_response":
                items.append(Returned(arguments(part.get("response", part.get("result"))), id))
            elif kind in ("reasoning", "thinking"):
                context.leave("thinking")
            else:
                context.leave(f"parts of type {kind}")
        role = str(message.get("role"))
        yield Message(role if role in ("user", "assistant", "tool", "system") else "user", tuple(items), where=name)


SHAPE = GroupedShape("otlp_genai", detects, read, group)
