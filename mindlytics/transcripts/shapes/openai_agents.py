"""Sessions of OpenAI's Agents SDK: items of OpenAI's Responses, one a record, or a list of them."""

from __future__ import annotations

from collections.abc import Iterator

from ..content import TEXTS
from ..context import Context, Record
from ..fields import objects_in
from ..talk import Talk
from . import GroupedShape
from .openai_chat import ROLES
from .openai_responses import HOSTED, message

MARKS = {
    **dict.fromkeys(
        ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"), "call_id"
    ),
    **dict.fromkeys(HOSTED, "id"),
    "reasoning": "summary",
}
"""The types of items, and the key that each of them has."""
BARE = {"role", "content"}


def detects(record: object) -> bool:
    """An item, or a list of messages in which there are some."""
    if isinstance(record, list):
        return any(map(is_item, objects_in(record)))
    return is_item(record) or _is_bare(record)


def _is_bare(record: object) -> bool:
    """Whether it says who said what, and nothing else."""
    if not isinstance(record, dict) or record.keys() != BARE:
        return False
    return isinstance(record["role"], str) and ROLES.get(record["role"].lower()) in ("user", "assistant", "system")


def is_item(value: object) -> bool:
    """Whether it is an item that only Responses has."""
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    if kind == "message":
        parts = objects_in(value.get("content"))
        return "model" not in value and any(part.get("type") in TEXTS - {"text"} for part in parts)
    return isinstance(kind, str) and MARKS.get(kind) in value


def group(record: object, context: Context) -> str:
    """The whole file, since items name no session. A list is a session by itself."""
    return f"record {context.record.number}" if isinstance(record, list) else "file"


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of a session."""
    talk = Talk()
    for record in records:
        context.record = record
        items = record.value if isinstance(record.value, list) else [record.value]
        for index, item in enumerate(items):
            place = "item" if items is not record.value else f"[{index}]"
            with context.part():
                talk.take_all(message(place, item, context))
    yield talk


SHAPE = GroupedShape("openai_agents", detects, read, group)
