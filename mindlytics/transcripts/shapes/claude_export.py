"""The export of a claude.ai account: ``chat_messages`` of ``sender`` human and assistant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from ...errors import InvalidEvent
from .. import content
from ..context import Context
from ..fields import a_list, an_id, an_object, list_or_empty, object_or_empty, text_or_none
from ..talk import Item, Message, Said, Talk, with_attributes
from . import Shape
from .openai_chat import first_time
from .trees import leave_others, path_to


def detects(record: object) -> bool:
    """``chat_messages``."""
    return isinstance(record, dict) and "chat_messages" in record


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation on the way to the current leaf."""
    record = an_object("", record)
    account = object_or_empty(record.get("account"))
    talk = Talk(
        conversation_id=an_id(record.get("uuid")),
        user_id=an_id(account.get("uuid")),
        began=first_time("", record, context),
    )
    with_attributes(talk, {"title": record.get("name") or None})
    messages = a_list("chat_messages", record.get("chat_messages"))
    places = {id(each): f"chat_messages[{index}]" for index, each in enumerate(messages)}
    by_id = {each["uuid"]: each for each in messages if isinstance(each, dict) and isinstance(each.get("uuid"), str)}
    leaf = text_or_none(record.get("current_leaf_message_uuid"))
    chosen: list[object]
    if leaf is not None and leaf in by_id:
        path = path_to(leaf, {key: each.get("parent_message_uuid") for key, each in by_id.items()})
        leave_others(context, len(by_id), len(path))
        chosen = [by_id[key] for key in path]
    elif all(isinstance(object_or_empty(each).get("index"), int) for each in messages):
        chosen = sorted(messages, key=lambda each: cast(int, object_or_empty(each)["index"]))
    else:
        chosen = messages
    for each in chosen:
        with context.part():
            talk.take(_message(places[id(each)], each, context))
    yield talk


def _message(where: str, value: object, context: Context) -> Message:
    found = an_object(where, value)
    role = {"human": "user", "assistant": "assistant"}.get(str(found.get("sender")))
    if role is None:
        raise InvalidEvent(f"{where}.sender", "human or assistant", found.get("sender"))
    parts = found.get("content")
    if isinstance(parts, list):
        parts = [
            part
            for part in parts
            if not (isinstance(part, dict) and part.get("type") == "text" and part.get("text") is None)
        ]
    items: tuple[Item, ...] = content.items(f"{where}.content", parts, context, "")
    if not any(isinstance(item, Said) and item.text for item in items) and (text := text_or_none(found.get("text"))):
        items = (*items, Said(text))
    for _ in [*list_or_empty(found.get("attachments")), *list_or_empty(found.get("files"))]:
        context.leave("attachments")
    return Message(
        role, items, first_time(f"{where}.", found, context), id=text_or_none(found.get("uuid")), where=where
    )


SHAPE = Shape("claude_export", detects, read)
