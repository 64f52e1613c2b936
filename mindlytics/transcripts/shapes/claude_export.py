"""The export of a claude.ai account: ``chat_messages`` of ``sender`` human and assistant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from ...errors import InvalidEvent
from .. import content
from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, list_or_empty, object_or_empty, objects_in, text_or_none
from ..talk import Item, Message, Said, Talk, with_attributes
from . import Shape
from .openai_chat import first_time
from .trees import branch_id, paths_to


def detects(record: object) -> bool:
    """``chat_messages``."""
    return isinstance(record, dict) and "chat_messages" in record


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation on the way to the current leaf."""
    record = an_object("", record)
    account = object_or_empty(record.get("account"))
    messages = a_list("chat_messages", record.get("chat_messages"))
    places = {id(each): f"chat_messages[{index}]" for index, each in enumerate(messages)}
    for index, (leaf, chosen) in enumerate(_paths(messages, record, context)):
        talk = Talk(
            conversation_id=branch_id(an_id(record.get("uuid")), index, leaf),
            user_id=an_id(account.get("uuid")),
            began=first_time("", record, context),
        )
        with_attributes(talk, {"title": record.get("name") or None})
        for each in chosen:
            with context.part():
                talk.take(_message(places[id(each)], each, context))
        yield talk


def _paths(messages: list[object], record: JsonObject, context: Context) -> list[tuple[str, list[object]]]:
    """The messages of each path, with the id of its leaf."""
    by_id: dict[str, JsonObject] = {id: each for each in objects_in(messages) if (id := text_or_none(each.get("uuid")))}
    leaf = text_or_none(record.get("current_leaf_message_uuid"))
    if leaf in by_id or (context.options.branches and any("parent_message_uuid" in each for each in by_id.values())):
        parents = {key: text_or_none(each.get("parent_message_uuid")) for key, each in by_id.items()}
        return [(path[-1], [by_id[key] for key in path]) for path in paths_to(leaf, parents, context)]
    if all(isinstance(object_or_empty(each).get("index"), int) for each in messages):
        return [("", sorted(messages, key=lambda each: cast(int, object_or_empty(each)["index"])))]
    return [("", messages)]


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
