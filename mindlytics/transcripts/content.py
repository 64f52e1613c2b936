"""The content of a message of the APIs of language models: a text, or parts of many kinds.

OpenAI's, Anthropic's and Amazon's parts have names of their own, so one reader takes all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..errors import InvalidEvent
from .context import Context
from .fields import JsonObject, number_or_none, text_or_none
from .talk import NOTHING, Called, Item, Returned, Said, Usage, merged

TEXTS = frozenset({"text", "input_text", "output_text"})
THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoningContent", "thoughts"})
MEDIA = frozenset(
    [
        "image",
        "image_url",
        "input_image",
        "image_file",
        "input_audio",
        "audio",
        "video",
        "video_url",
        "file",
        "input_file",
        "document",
        "documents",
        "source",
        "source-url",
        "source-document",
        "search_result",
        "container_upload",
        "cachePoint",
        "citationsContent",
    ]
)
"""Parts that are no text of whoever speaks."""
CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
RESULTS = frozenset({"tool_result", "mcp_tool_result"})


def items(where: str, content: object, context: Context, between: str = "\n") -> tuple[Item, ...]:
    """What a content says, calls and returns.

    :param between: what stands between texts that touch.
    :raises InvalidEvent: it is no content.
    """
    if content is None:
        return ()
    if isinstance(content, str):
        return (Said(content),)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise InvalidEvent(where, "a str, null or a list of parts", content)
    parts = [item for index, part in enumerate(content) for item in _part(f"{where}[{index}]", part, context)]
    return merged(parts, between) if len(parts) > 1 else tuple(parts)


def text(where: str, content: object, context: Context, between: str = "\n") -> str:
    """The text of a content.

    :raises InvalidEvent: it is no content.
    """
    found = (item.text for item in items(where, content, context, between) if isinstance(item, Said))
    return between.join(found)


def _part(where: str, part: object, context: Context) -> Iterator[Item]:
    if isinstance(part, str):
        yield Said(part)
        return
    if not isinstance(part, dict):
        raise InvalidEvent(where, "a part", part)
    kind = part.get("type")
    if kind in TEXTS or (kind is None and "text" in part):
        said = part.get("text")
        if isinstance(said, dict):  # of an assistant's thread
            said = said.get("value")
        yield Said(_str(f"{where}.text", said))
    elif kind == "refusal":
        yield Said(_str(f"{where}.refusal", part.get("refusal")))
    elif kind in CALLS:
        yield Called(
            name(f"{where}.name", part.get("name")), arguments(part.get("input")), text_or_none(part.get("id"))
        )
    elif kind in RESULTS:
        returned = result(f"{where}.content", part.get("content"), context)
        yield Returned(returned, text_or_none(part.get("tool_use_id")))
    elif kind is None:
        yield from _amazon(where, part, context)
    elif kind in THOUGHTS:
        context.leave("thinking")
    elif kind in MEDIA:
        context.leave(f"parts of type {kind}")
    else:
        context.unread(f"parts of type {kind}")


def _amazon(where: str, part: JsonObject, context: Context) -> Iterator[Item]:
    """A part that is known by its only key."""
    if isinstance(guarded := part.get("guardContent"), dict):
        if isinstance(inner := guarded.get("text"), dict):
            yield Said(_str(f"{where}.guardContent.text.text", inner.get("text")))
    elif isinstance(use := part.get("toolUse"), dict):
        yield Called(
            name(f"{where}.toolUse.name", use.get("name")),
            arguments(use.get("input")),
            text_or_none(use.get("toolUseId")),
        )
    elif isinstance(value := part.get("toolResult"), dict):
        returned = result(f"{where}.toolResult.content", value.get("content"), context)
        yield Returned(returned, text_or_none(value.get("toolUseId")))
    elif THOUGHTS & part.keys():
        context.leave("thinking")
    elif kinds := MEDIA & part.keys():
        context.leave(f"parts of type {min(kinds)}")
    else:
        context.unread(f"parts with {', '.join(sorted(map(str, part)))[:100] or 'nothing in them'}")


def result(where: str, content: object, context: Context) -> str | None:
    """What a function returned, as text: its text parts, or its JSON."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [as_json(part["json"]) if "json" in part else text(where, [part], context) for part in content]
        return "\n".join(filter(None, texts))
    return as_json(content)


def as_json(value: object) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def arguments(value: object) -> str | None:
    """The arguments of a call as text, as they mostly are; JSON otherwise."""
    return value if value is None or isinstance(value, str) else as_json(value)


def name(where: str, value: object) -> str:
    """The name of a function.

    :raises InvalidEvent: it is none.
    """
    if not isinstance(value, str) or not value:
        raise InvalidEvent(where, "a str of 1 to 100 characters", value)
    return value


def _str(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidEvent(where, "a str", value)
    return value


def count(value: object) -> int | None:
    """A number of tokens; None where it is none."""
    if value is None or (number := number_or_none(value)) is None:
        return None
    return int(number)


def openai_usage(value: object) -> Usage:
    """Usage as OpenAI has it, of either API."""
    if not isinstance(value, dict):
        return NOTHING
    prompt, completion = count(value.get("prompt_tokens")), count(value.get("completion_tokens"))
    details = value.get("prompt_tokens_details")
    if prompt is None and completion is None:
        prompt, completion = count(value.get("input_tokens")), count(value.get("output_tokens"))
        details = value.get("input_tokens_details")
    return Usage(prompt, completion, count(details.get("cached_tokens")) if isinstance(details, dict) else None)


def anthropic_usage(value: object) -> Usage:
    """Usage as Anthropic has it: tokens that are read from and written to the cache are counted apart."""
    if not isinstance(value, dict):
        return NOTHING
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    read = [count(value.get(name)) for name in names]
    prompt = None if read[0] is None else sum(each or 0 for each in read)
    return Usage(prompt, count(value.get("output_tokens")), read[2])
