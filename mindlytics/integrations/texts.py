"""The text of a message, in the shapes of all libraries."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping

from .fields import get


def text_of(content: object) -> str:
    """The text of a message: its content, or the texts among its blocks, which are mappings or objects."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping) or not isinstance(content, Collection):  # an iterator is left alone
        return _text_of_block(content)
    return "".join(_text_of_block(block) for block in content)


def _text_of_block(block: object) -> str:
    if isinstance(block, str):
        return block
    if get(block, "thought") is True:  # Gemini's reasoning, which is not meant for the user
        return ""
    text = get(block, "text")
    if isinstance(text, str):
        return text
    if text is None and get(block, "type") in (None, "message", "tool_result"):
        inner = get(block, "content")
        return text_of(inner) if isinstance(inner, (str, list, tuple)) else ""
    return ""


def as_json(value: object) -> str | None:
    """A value as text: itself, or its JSON, if it has one."""
    if value is None or isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False)
    except Exception:  # its own methods may raise anything
        return f"<{type(value).__name__}>"


def _plain(value: object) -> object:
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return dump(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
