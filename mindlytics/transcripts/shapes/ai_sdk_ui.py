"""UI messages of the Vercel AI SDK: messages with ``parts``, of version 4 (``tool-invocation``) and later."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidEvent
from ..content import arguments, as_json, count, name
from ..context import Context
from ..fields import JsonObject, a_list, an_object, list_or_empty, object_or_empty, text_or_none, unknown_role
from ..talk import NOTHING, Called, Item, Message, Returned, Said, Talk, Usage, merged
from . import Shape
from .openai_chat import ROLES, first_time, opened
from .openai_chat import message as openai_message


def detects(record: object) -> bool:
    """Messages with ``parts``."""
    if isinstance(record, list):
        record = {"messages": record}
    messages = record.get("messages") if isinstance(record, dict) else None
    return isinstance(messages, list) and any(
        isinstance(each, dict) and "role" in each and _is_typed(each.get("parts")) for each in messages
    )


def _is_typed(parts: object) -> bool:
    return isinstance(parts, list) and any(isinstance(part, dict) and "type" in part for part in parts)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a record."""
    if isinstance(record, list):
        record = {"messages": record}
    record = an_object("", record)
    talk = opened(record, context)
    for index, value in enumerate(a_list("messages", record.get("messages"))):
        with context.part():
            talk.take(_message(f"messages[{index}]", value, context))
    yield talk


def _message(where: str, value: object, context: Context) -> Message:
    found = an_object(where, value)
    if not isinstance(found.get("parts"), list):
        return openai_message(where, {k: v for k, v in found.items() if k != "parts"}, context)
    role = ROLES.get(str(found.get("role")).lower())
    if role is None:
        raise unknown_role(f"{where}.role", found.get("role"), "user, assistant or system")
    metadata = object_or_empty(found.get("metadata"))
    at = first_time(f"{where}.metadata.", metadata, context) or first_time(f"{where}.", found, context)
    if role == "system":
        context.leave("system messages")
        return Message("system", at=at)
    steps: list[list[Item]] = [[]]
    for index, part in enumerate(list_or_empty(found["parts"])):
        if isinstance(part, dict) and part.get("type") == "step-start":
            steps.append([])
        steps[-1] += _part(f"{where}.parts[{index}]", part, context)
    return Message(
        role,
        tuple(item for step in steps for item in merged(step, "")),
        at,
        model=text_or_none(metadata.get("model")),
        usage=_usage(metadata.get("totalUsage") or metadata.get("usage")),
        id=text_or_none(found.get("id")),
        where=where,
    )


def _part(where: str, part: object, context: Context) -> Iterator[Item]:
    value = an_object(where, part)
    kind = str(value.get("type"))
    if kind == "text":
        if not isinstance(text := value.get("text"), str):
            raise InvalidEvent(f"{where}.text", "a str", text)
        if text:
            yield Said(text)
    elif kind == "step-start":
        return
    elif kind == "tool-invocation":
        value = an_object(f"{where}.toolInvocation", value.get("toolInvocation"))
        yield Called(name(f"{where}.toolName", value.get("toolName")), arguments(value.get("args")), _id(value))
        if "result" in value:
            yield _returned(value["result"], _id(value))
    elif kind == "dynamic-tool" or kind.startswith("tool-"):
        called = value.get("toolName") if kind == "dynamic-tool" else kind[len("tool-") :]
        yield Called(name(f"{where}.toolName", called), arguments(value.get("input")), _id(value))
        if value.get("state") == "output-available":
            yield _returned(value.get("output"), _id(value))
        elif value.get("state") == "output-error":
            yield _returned(value.get("errorText"), _id(value))
    elif kind == "reasoning":
        context.leave("thinking")
    elif kind in ("file", "source", "source-url", "source-document") or kind.startswith("data-"):
        context.leave(f"parts of type {kind}")
    else:
        context.unread(f"parts of type {kind}")


def _id(fields: JsonObject) -> str | None:
    return text_or_none(fields.get("toolCallId"))


def _returned(value: object, id: str | None) -> Returned:
    return Returned(value if value is None or isinstance(value, str) else as_json(value), id)


def _usage(value: object) -> Usage:
    if not isinstance(value, dict):
        return NOTHING
    prompt, completion = value.get("inputTokens", value.get("promptTokens")), value.get("outputTokens")
    completion = value.get("completionTokens") if completion is None else completion
    return Usage(count(prompt), count(completion), count(value.get("cachedInputTokens")))


SHAPE = Shape("ai_sdk_ui", detects, read)
