"""Message histories of Pydantic AI, as its ``ModelMessagesTypeAdapter`` writes them."""

from __future__ import annotations

from collections.abc import Iterator

from ..content import arguments, as_json, count, name
from ..context import Context
from ..fields import JsonObject, a_list, an_object, object_or_empty, objects_in, text_or_none
from ..talk import NOTHING, Called, Item, Message, Returned, Said, Talk, Usage
from . import Shape
from .openai_chat import opened

KINDS = {"request": "user", "response": "assistant"}
TEXTS: dict[object, str] = {"text": "content", "speech": "transcript"}
CALLS = frozenset({"tool-call", "builtin-tool-call"})
RETURNS = frozenset({"tool-return", "builtin-tool-return"})
LEFT = {
    **dict.fromkeys(("system-prompt", "instruction", "instruction-delta", "instruction-baseline"), "system messages"),
    **dict.fromkeys(("retry-prompt", "retry-feedback", "compaction"), "what the program wrote"),
    "thinking": "thinking",
    "file": "media",
}
TOKENS = (("input_tokens", "request_tokens"), ("output_tokens", "response_tokens"))
"""The names of tokens that are read and written, of today and before version 1."""


def detects(record: object) -> bool:
    """Messages of a kind, alone or under ``messages``."""
    messages = record.get("messages") if isinstance(record, dict) else record
    return any(is_message(each) for each in objects_in(messages)[:1])


def is_message(value: object) -> bool:
    """Whether it is one message."""
    return isinstance(value, dict) and value.get("kind") in KINDS and isinstance(value.get("parts"), list)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a history."""
    record = an_object("", {"messages": record} if isinstance(record, list) else record)
    talk = opened(record, context)
    for index, value in enumerate(a_list("messages", record.get("messages"))):
        with context.part():
            found = an_object(f"messages[{index}]", value)
            talk.conversation_id = talk.conversation_id or text_or_none(found.get("conversation_id"))
            talk.take(_message(f"messages[{index}]", found, context))
    yield talk


def _message(where: str, fields: JsonObject, context: Context) -> Message:
    parts = [an_object(f"{where}.parts", each) for each in a_list(f"{where}.parts", fields.get("parts"))]
    at = context.time(f"{where}.timestamp", fields.get("timestamp"))
    for each in parts:
        at = at or context.time(f"{where}.parts.timestamp", each.get("timestamp"))
    return Message(
        KINDS.get(str(fields.get("kind")), "system"),
        tuple(item for index, each in enumerate(parts) for item in _part(f"{where}.parts[{index}]", each, context)),
        at,
        model=text_or_none(fields.get("model_name")),
        usage=_usage(fields.get("usage")),
        where=where,
    )


def _part(where: str, part: JsonObject, context: Context) -> Iterator[Item]:
    kind, content = part.get("part_kind"), part.get("content")
    id = text_or_none(part.get("tool_call_id"))
    if kind == "user-prompt":
        for each in content if isinstance(content, list) else [content]:
            said = each.get("content") if isinstance(each, dict) and each.get("kind") == "text" else each
            if isinstance(said, str):
                yield Said(said)
            else:
                context.leave("media")
    elif isinstance(said := part.get(TEXTS.get(kind, "")), str):
        yield Said(said)
    elif kind in CALLS:
        yield Called(name(f"{where}.tool_name", part.get("tool_name")), arguments(part.get("args")), id)
    elif kind in RETURNS or (kind == "retry-prompt" and part.get("tool_name")):
        yield Returned(content if isinstance(content, str) else as_json(content), id)
    elif kind in LEFT:
        context.leave(LEFT[str(kind)])
    else:
        context.unread(f"parts of type {str(kind)[:60]}")


def _usage(value: object) -> Usage:
    found = object_or_empty(value)
    prompt, completion = (count(found.get(new, found.get(old))) for new, old in TOKENS)
    if prompt is None and completion is None:
        return NOTHING
    return Usage(prompt, completion, count(found.get("cache_read_tokens")) or None)


SHAPE = Shape("pydantic_ai", detects, read)
