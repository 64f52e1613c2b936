"""UI messages of the Vercel AI SDK: messages with ``parts``, of version 4 (``tool-invocation``) and later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InvalidEvent
from ..content import arguments, as_json, count, name
from ..context import Context, a_list, an_object
from ..talk import NOTHING, Called, Item, Message, Returned, Said, Talk, Usage, merged
from . import Shape
from .openai_chat import ROLES, first_moment, opened
from .openai_chat import message as openai_message


def detects(record: Any) -> bool:
    """Messages with ``parts``."""
    if isinstance(record, list):
        record = {"messages": record}
    messages = record.get("messages") if isinstance(record, dict) else None
    return isinstance(messages, list) and any(
        isinstance(each, dict) and "role" in each and _is_typed(each.get("parts")) for each in messages
    )


def _is_typed(parts: Any) -> bool:
    return isinstance(parts, list) and any(isinstance(part, dict) and "type" in part for part in parts)


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation of a record."""
    if isinstance(record, list):
        record = {"messages": record}
    talk = opened(record, context)
    for index, given in enumerate(a_list("messages", record.get("messages"))):
        with context.part():
            talk.take(_message(f"messages[{index}]", given, context))
    yield talk


def _message(where: str, given: object, context: Context) -> Message:
    found = an_object(where, given)
    if not isinstance(found.get("parts"), list):
        return openai_message(where, {k: v for k, v in found.items() if k != "parts"}, context)
    role = ROLES.get(str(found.get("role")).lower())
    if role is None:
        raise InvalidEvent(f"{where}.role", "user, assistant or system", found.get("role"))
    metadata = found["metadata"] if isinstance(found.get("metadata"), dict) else {}
    at = first_moment(f"{where}.metadata.", metadata, context) or first_moment(f"{where}.", found, context)
    if role == "system":
        context.leave("system messages")
        return Message("system", at=at)
    steps: list[list[Item]] = [[]]
    for index, part in enumerate(found["parts"]):
        if isinstance(part, dict) and part.get("type") == "step-start":
            steps.append([])
        steps[-1] += _part(f"{where}.parts[{index}]", part, context)
    model = metadata.get("model")
    return Message(
        role,
        tuple(item for step in steps for item in merged(step, "")),
        at,
        model=model if isinstance(model, str) else None,
        usage=_usage(metadata.get("totalUsage") or metadata.get("usage")),
        id=found.get("id"),
        where=where,
    )


def _part(where: str, part: object, context: Context) -> Iterator[Item]:
    given = an_object(where, part)
    kind = str(given.get("type"))
    if kind == "text":
        if not isinstance(text := given.get("text"), str):
            raise InvalidEvent(f"{where}.text", "a str", text)
        if text:
            yield Said(text)
    elif kind == "step-start":
        return
    elif kind == "tool-invocation":
        given = an_object(f"{where}.toolInvocation", given.get("toolInvocation"))
        yield Called(name(f"{where}.toolName", given.get("toolName")), arguments(given.get("args")), _id(given))
        if "result" in given:
            yield _returned(given["result"], _id(given))
    elif kind == "dynamic-tool" or kind.startswith("tool-"):
        called = given.get("toolName") if kind == "dynamic-tool" else kind[len("tool-") :]
        yield Called(name(f"{where}.toolName", called), arguments(given.get("input")), _id(given))
        if given.get("state") == "output-available":
            yield _returned(given.get("output"), _id(given))
        elif given.get("state") == "output-error":
            yield _returned(given.get("errorText"), _id(given))
    elif kind == "reasoning":
        context.leave("thinking")
    elif kind in ("file", "source", "source-url", "source-document") or kind.startswith("data-"):
        context.leave(f"parts of type {kind}")
    else:
        context.unread(f"parts of type {kind}")


def _id(given: dict[str, Any]) -> str | None:
    found = given.get("toolCallId")
    return found if isinstance(found, str) else None


def _returned(value: object, id: str | None) -> Returned:
    return Returned(value if value is None or isinstance(value, str) else as_json(value), id)


def _usage(given: object) -> Usage:
    if not isinstance(given, dict):
        return NOTHING
    prompt, completion = given.get("inputTokens", given.get("promptTokens")), given.get("outputTokens")
    completion = given.get("completionTokens") if completion is None else completion
    return Usage(count(prompt), count(completion), count(given.get("cachedInputTokens")))


SHAPE = Shape("ai_sdk_ui", detects, read)
