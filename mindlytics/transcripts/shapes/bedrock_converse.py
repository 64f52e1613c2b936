"""Amazon Bedrock Converse: requests, alone or with their responses (``openai_chat_log.py`` puts those together)."""

from __future__ import annotations

from collections.abc import Iterator

from .. import content
from ..context import Context
from ..fields import JsonObject, a_list, an_object, object_or_empty, text_or_none
from ..talk import Message, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import first_time, opened, take_all

PARTS = frozenset({"toolUse", "toolResult", "guardContent", "reasoningContent"})


def detects(record: object) -> bool:
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


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a request."""
    record = an_object("", record)
    talk = opened(record, context)
    if isinstance(model := record.get("modelId"), str):
        talk.model = model
    with_attributes(talk, object_or_empty(record.get("requestMetadata")))
    if record.get("system"):
        context.leave("system messages")
    take_all(talk, "messages", a_list("messages", record.get("messages")), context)
    yield talk


def is_response(fields: JsonObject) -> bool:
    """Whether it is what the API answers."""
    output = fields.get("output")
    return isinstance(output, dict) and isinstance(output.get("message"), dict)


def response(fields: JsonObject, record: JsonObject, context: Context) -> Message:
    """What the model answered."""
    usage = object_or_empty(fields.get("usage"))
    read, written, cached = (
        content.count(usage.get(name)) for name in ("inputTokens", "cacheWriteInputTokens", "cacheReadInputTokens")
    )
    prompt = None if read is None else read + (written or 0) + (cached or 0)
    request = object_or_empty(record.get("request"))
    message = object_or_empty(object_or_empty(fields.get("output")).get("message"))
    return Message(
        "assistant",
        content.items("output.message.content", message.get("content"), context),
        first_time("", record, context),
        model=text_or_none(record.get("modelId")) or text_or_none(request.get("modelId")),
        usage=Usage(prompt, content.count(usage.get("outputTokens")), cached),
    )


SHAPE = Shape("bedrock_converse", detects, read)
