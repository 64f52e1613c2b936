"""ShareGPT: ``conversations`` of ``from`` and ``value``, as FastChat, axolotl and LLaMA-Factory have it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from ...errors import InvalidEvent
from ..content import arguments, name
from ..context import Context
from ..fields import a_list, an_id, an_object, needs, text_or_none
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


def detects(record: object) -> bool:
    """``conversations`` of ``from`` and ``value``."""
    talks = record.get("conversations") if isinstance(record, dict) else None
    return isinstance(talks, list) and all(isinstance(each, dict) and "from" in each for each in talks)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a record."""
    record = an_object("", record)
    talk = Talk(conversation_id=an_id(record.get("id")), model=text_or_none(record.get("model")))
    for index, each in enumerate(a_list("conversations", record.get("conversations"))):
        with context.part():
            found = _message(f"conversations[{index}]", each, context)
            if found is not None:
                talk.take(found)
    yield talk


def _message(where: str, value: object, context: Context) -> Message | None:
    fields = an_object(where, value)
    role = ROLES.get(str(fields.get("from")).lower())
    if role is None:
        raise InvalidEvent(f"{where}.from", f"one of {', '.join(ROLES)}", fields.get("from"))
    text = needs(f"{where}.value", fields.get("value"), str, "a text")
    if role == "system":
        context.leave("system messages")
        return None
    if MARKS.search(text):
        context.leave("marks of images")
        text = MARKS.sub("", text)
    if role == "call":
        return Message("assistant", tuple(_calls(f"{where}.value", text)), where=where)
    item: Item = Returned(text) if role == "tool" else Said(text)
    return Message(role, (item,), where=where)


def _calls(where: str, value: str) -> Iterator[Called]:
    with suppress(ValueError):
        calls = json.loads(value)
        for each in calls if isinstance(calls, list) else [calls]:
            if isinstance(each, dict):
                yield Called(name(where, each.get("name")), arguments(each.get("arguments")))
        return
    yield Called("function", value)


SHAPE = Shape("sharegpt", detects, read)
