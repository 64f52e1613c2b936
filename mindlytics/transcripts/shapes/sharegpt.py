"""ShareGPT: ``conversations`` of ``from`` and ``value``, as FastChat, axolotl and LLaMA-Factory have it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ...errors import InvalidEvent
from ..content import arguments, name
from ..context import Context, a_list, an_id, needs
from ..talk import Called, Item, Message, Returned, Said, Talk
from . import Shape

ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bing", "bard", "claude", "assistant", "model", "bot", "ai"), "assistant"),
    "function_call": "call",
    **dict.fromkeys(("observation", "tool", "function_response"), "tool"),
    "system": "system",
}
MARKS = re.compile(r"<(?:image|video|audio)>")


def detects(record: Any) -> bool:
    """``conversations`` of ``from`` and ``value``."""
    talks = record.get("conversations") if isinstance(record, dict) else None
    return isinstance(talks, list) and all(isinstance(each, dict) and "from" in each for each in talks)


def read(record: Any, context: Context) -> Iterator[Talk]:
    """The conversation of a record."""
    model = record.get("model")
    talk = Talk(conversation_id=an_id(record.get("id")), model=model if isinstance(model, str) else None)
    for index, each in enumerate(a_list("conversations", record.get("conversations"))):
        with context.part():
            found = _message(f"conversations[{index}]", each, context)
            if found is not None:
                talk.take(found)
    yield talk


def _message(where: str, given: dict[str, Any], context: Context) -> Message | None:
    role = ROLES.get(str(given.get("from")).lower())
    if role is None:
        raise InvalidEvent(f"{where}.from", f"one of {', '.join(ROLES)}", given.get("from"))
    value = needs(f"{where}.value", given.get("value"), str, "a text")
    if role == "system":
        context.leave("system messages")
        return None
    if MARKS.search(value):
        context.leave("marks of images")
        value = MARKS.sub("", value)
    if role == "call":
        return Message("assistant", tuple(_calls(f"{where}.value", value)), where=where)
    item: Item = Returned(value) if role == "tool" else Said(value)
    return Message(role, (item,), where=where)


def _calls(where: str, value: str) -> Iterator[Called]:
    with suppress(ValueError):
        given = json.loads(value)
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, dict):
                yield Called(name(where, each.get("name")), arguments(each.get("arguments")))
        return
    yield Called("function", value)


SHAPE = Shape("sharegpt", detects, read)
