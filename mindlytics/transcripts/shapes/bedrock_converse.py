"""Amazon Bedrock Converse: requests, alone or with their responses (``openai_chat_log.py`` puts those together)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import content
from ..context import Context, a_list
from ..talk import Message, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import first_moment, opened, take_all

PARTS = frozenset({"toolUse", "toolResult", "guardContent", "reasoningContent"})


def detects(record: Any) -> bool:
    """Parts without a ``type``, or the settings of its own."""
    if not isinstance(record, dict) or "messages" not in record:
        return False
    if "inferenceConfig" in record or "toolConfig" in record:
        return True
    messages = record["messages"] if isinstance(record["messages"], list) else []
    return any(
        isinstance(part, dict) and "type" not in part and (PARTS & part.keys() or "text" in part)
        for each in messages
        if isinstance(each, dict) and isinstance(each.get("content"), list)
        for part in each["content"]
    )


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation of a request."""
    talk = opened(record, context)
    if isinstance(model := record.get("modelId"), str):
        talk.model = model
    with_attributes(talk, record.get("requestMetadata"))
    if record.get("system"):
        context.leave("system messages")
    take_all(talk, "messages", a_list("messages", record.get("messages")), context)
    yield talk


def is_response(given: dict[str, Any]) -> bool:
    """Whether it is what the API answers."""
    output = given.get("output")
    return isinstance(output, dict) and isinstance(output.get("message"), dict)


def response(given: dict[str, Any], record: dict[str, Any], context: Context) -> Message:
    """What the model answered."""
    usage = given.get("usage") if isinstance(given.get("usage"), dict) else {}
    assert isinstance(usage, dict)
    read, written, cached = (
        content.count(usage.get(name)) for name in ("inputTokens", "cacheWriteInputTokens", "cacheReadInputTokens")
    )
    prompt = None if read is None else read + (written or 0) + (cached or 0)
    request = record.get("request") if isinstance(record.get("request"), dict) else {}
    assert isinstance(request, dict)
    return Message(
        "assistant",
        content.items("output.message.content", given["output"]["message"].get("content"), context),
        first_moment("", record, context),
        model=record.get("modelId") or request.get("modelId"),
        usage=Usage(prompt, content.count(usage.get("outputTokens")), cached),
    )


SHAPE = Shape("bedrock_converse", detects, read)
