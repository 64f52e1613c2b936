"""Anthropic Messages: request bodies, responses, and both together. Streams are in ``openai_chat_log.py``'s way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InvalidEvent
from .. import content
from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, text_or_none
from ..talk import Message, Talk
from . import Shape
from .openai_chat import first_time, opened, take_all

PARTS = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "image"})


def detects(record: object) -> bool:
    """Messages with typed parts of its own, or a model of its own."""
    if not isinstance(record, dict) or not isinstance(messages := record.get("messages"), list):
        return is_response(record)
    model = record.get("model")
    return (isinstance(model, str) and "claude" in model) or any(
        isinstance(part, dict) and part.get("type") in PARTS for part in _parts(messages)
    )


def is_response(record: object) -> bool:
    """Whether it is what the API answers."""
    return isinstance(record, dict) and record.get("type") == "message" and record.get("role") == "assistant"


def _parts(messages: list[object]) -> Iterator[Any]:
    for message in messages:
        if isinstance(message, dict) and isinstance(parts := message.get("content"), list):
            yield from parts


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a request."""
    record = an_object("", record)
    if is_response(record):
        talk = Talk(conversation_id=an_id(record.get("id")))
        talk.take(response(record, context))
        yield talk
        return
    metadata = object_or_empty(record.get("metadata"))
    talk = opened({**record, "metadata": {k: v for k, v in metadata.items() if k != "user_id"}}, context)
    talk.user_id = talk.user_id or an_id(metadata.get("user_id"))
    if record.get("system"):
        context.leave("system messages")
    messages = a_list("messages", record.get("messages"))
    for index, each in enumerate(messages):
        if isinstance(each, dict) and "content" not in each:
            context.report(InvalidEvent(f"messages[{index}].content", "a text or a list", None))
    sound = [each for each in messages if not isinstance(each, dict) or "content" in each]
    take_all(talk, "messages", sound, context, between="")
    yield talk


def response(fields: JsonObject, context: Context, where: str = "") -> Message:
    """What the API answered.

    :raises InvalidEvent: it is no answer.
    """
    return Message(
        "assistant",
        content.items(f"{where}content", fields.get("content"), context, between=""),
        first_time(where, fields, context),
        model=text_or_none(fields.get("model")),
        usage=content.anthropic_usage(fields.get("usage")),
        id=text_or_none(fields.get("id")),
    )


SHAPE = Shape("anthropic_messages", detects, read)
