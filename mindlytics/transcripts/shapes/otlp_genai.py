"""OTLP in JSON with ``gen_ai.*``: OpenTelemetry's conventions of each version, and OpenLLMetry's attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ..content import arguments, count
from ..context import Context, Record, a_list
from ..exchanges import Exchange, by_time, talks_of
from ..model import Feedback
from ..talk import Called, Item, Message, Returned, Said, Talk, Usage
from . import Shape
from .langfuse_trace import unfolded
from .openai_chat import message as openai_message
from .openinference_spans import list_of, nested

USERS = ("enduser.id", "user.id", "traceloop.association.properties.user_id")
IDS = ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id")
ROLES = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"}


def detects(record: Any) -> bool:
    """``resourceSpans``."""
    return isinstance(record, dict) and ("resourceSpans" in record or "resource_spans" in record)


def group(record: Any, context: Context) -> str:
    """All of a file: the spans of a trace come in any lines."""
    a_list("resourceSpans", record.get("resourceSpans", record.get("resource_spans")))
    return "file"


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversations of all traces."""
    traces: dict[str, list[tuple[Record, dict[str, Any], dict[str, Any]]]] = {}
    for record in records:
        for span in _spans(record.value):
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


def _dated(message: Message, at: Any) -> Message:
    return message if message.at else evolve(message, at=at)


def _spans(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in value.get("resourceSpans", value.get("resource_spans")) or []:
        for scope in resource.get("scopeSpans", resource.get("scope_spans")) or []:
            yield from (span for span in scope.get("spans") or [] if isinstance(span, dict))


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: _value(each.get("value")) for each in holder.get("attributes") or [] if isinstance(each, dict)}


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [_value(each) for each in (value["arrayValue"] or {}).get("values") or []]
    if "kvlistValue" in value:
        return {each["key"]: _value(each.get("value")) for each in (value["kvlistValue"] or {}).get("values") or []}
    return next(iter(value.values()), None)


def _times(span: dict[str, Any], context: Context) -> tuple[Any, Any]:
    return (
        context.moment("startTimeUnixNano", span.get("startTimeUnixNano")),
        context.moment("endTimeUnixNano", span.get("endTimeUnixNano")),
    )


def _exchange(record: Record, span: dict[str, Any], found: dict[str, Any], context: Context) -> Exchange | None:
    model = found.get("gen_ai.response.model") or found.get("gen_ai.request.model")
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


def _said(
    span: dict[str, Any], found: dict[str, Any], context: Context
) -> tuple[list[Message], list[Message], list[Feedback]]:
    messages = [_openllmetry(each, context, "gen_ai.prompt") for each in nested("gen_ai.prompt", found)]
    answers = [_openllmetry(each, context, "gen_ai.completion") for each in nested("gen_ai.completion", found)]
    feedback: list[Feedback] = []
    sources = [found]
    for event in span.get("events") or []:
        name, given = str(event.get("name")), _attributes(event)
        if name in ROLES or name == "gen_ai.tool.message":
            role = ROLES.get(name, "tool")
            inner = {
                "role": role,
                "content": given.get("content"),
                "tool_calls": unfolded(given.get("tool_calls")) or [],
            }
            if role == "tool":
                inner["tool_call_id"] = given.get("id")
            messages.append(openai_message(name, inner, context))
        elif name == "gen_ai.choice":
            inner = unfolded(given.get("message"))
            if isinstance(inner, dict):
                answers.append(openai_message(name, {"role": "assistant", **inner}, context))
        elif name.endswith("inference.operation.details"):
            sources.append(given)
        elif name.startswith("gen_ai.evaluation"):
            value = given.get("gen_ai.evaluation.score.value", given.get("gen_ai.evaluation.score.label"))
            comment = given.get("gen_ai.evaluation.explanation")
            feedback.append(Feedback(str(given.get("gen_ai.evaluation.name")), value, None, comment))
    for source in sources:
        messages += _parts("gen_ai.input.messages", source, context)
        answers += _parts("gen_ai.output.messages", source, context)
    return messages, answers, feedback


def _openllmetry(given: dict[str, Any], context: Context, where: str) -> Message:
    calls = [
        {"id": call.get("id"), "function": {"name": call.get("name"), "arguments": call.get("arguments")}}
        for call in list_of(given.get("tool_calls"))
    ]
    inner = {"role": given.get("role"), "content": unfolded(given.get("content")), "tool_calls": calls}
    if isinstance(inner["content"], dict):
        inner["content"] = given.get("content")
    if given.get("tool_call_id"):
        inner["tool_call_id"] = given["tool_call_id"]
    return openai_message(where, inner, context)


def _parts(name: str, found: dict[str, Any], context: Context) -> Iterator[Message]:
    given = unfolded(found.get(name))
    for message in given if isinstance(given, list) else []:
        items: list[Item] = []
        for part in message.get("parts") or []:
            kind = part.get("type")
            if kind == "text":
                items.append(Said(str(part.get("content"))))
            elif kind == "tool_call":
                items.append(Called(str(part.get("name")), arguments(part.get("arguments")), part.get("id")))
            elif kind == "tool_call_response":
                items.append(Returned(arguments(part.get("response", part.get("result"))), part.get("id")))
            elif kind in ("reasoning", "thinking"):
                context.leave("thinking")
            else:
                context.leave(f"parts of type {kind}")
        role = str(message.get("role"))
        yield Message(role if role in ("user", "assistant", "tool", "system") else "user", tuple(items), where=name)


SHAPE = Shape("otlp_genai", detects, read, group)
