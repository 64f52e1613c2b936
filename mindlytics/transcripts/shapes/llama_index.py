"""Messages of LlamaIndex with ``blocks``: a list of them, a saved chat store, or a memory with its store."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .. import content
from ..context import Context
from ..fields import (
    JsonObject,
    a_list,
    an_object,
    list_or_empty,
    needs,
    object_or_empty,
    objects_in,
    text_or_none,
    unknown_role,
)
from ..talk import Called, Item, Message, Returned, Said, Talk, merged
from . import Shape
from .openai_chat import ROLES, called

LEFT = {
    **dict.fromkeys(("image", "audio", "video", "document", "citable", "citation"), "media"),
    "thinking": "thinking",
    "cache": "marks of a cache",
}
UNNAMED = "chat_history"
"""The key of a memory to which the program gave none."""


def detects(record: object) -> bool:
    """A chat store, or messages with blocks."""
    record = _unquoted(record)
    if isinstance(record, dict):
        if isinstance(_stored(record), dict):
            return True
        record = record.get("messages")
    return any("role" in each and isinstance(each.get("blocks"), list) for each in objects_in(record)[:1])


def _unquoted(record: object) -> object:
    """A record. Older versions save a store as a text of JSON that is JSON again."""
    if isinstance(record, str) and record.startswith('{"store"'):
        try:
            return json.loads(record)
        except (ValueError, RecursionError):
            return record
    return record


def _stored(record: JsonObject) -> object:
    """The messages of a chat store by their key."""
    store = record.get("chat_store", record)
    if isinstance(store, dict) and store.get("class_name", "SimpleChatStore") == "SimpleChatStore":
        return store.get("store")
    return None


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of each key, or that of the messages."""
    record = _unquoted(record)
    if not isinstance(record, dict):
        yield _talk(None, "", record, context)
    elif isinstance(store := _stored(record), dict):
        where = "chat_store.store" if "chat_store" in record else "store"
        for index, (key, messages) in enumerate(store.items()):
            with context.part():
                yield _talk(None if key == UNNAMED else key, f"{where}[{index}]", messages, context)
    else:
        yield _talk(None, "messages", record.get("messages"), context)


def _talk(key: str | None, where: str, messages: object, context: Context) -> Talk:
    talk = Talk(conversation_id=key)
    for index, value in enumerate(a_list(where, messages)):
        with context.part():
            talk.take(_message(f"{where}[{index}]", an_object(f"{where}[{index}]", value), context))
    return talk


def _message(where: str, fields: JsonObject, context: Context) -> Message:
    role = ROLES.get(str(fields.get("role")).lower())
    if role is None:
        raise unknown_role(f"{where}.role", fields.get("role"), "user, assistant, tool or system")
    if role == "system":
        context.leave("system messages")
        return Message("system")
    more = object_or_empty(fields.get("additional_kwargs"))
    items = list(_blocks(where, fields, context))
    if role == "tool":
        text = "\n".join(item.text for item in items if isinstance(item, Said))
        items = [Returned(text, text_or_none(more.get("tool_call_id")), text_or_none(more.get("name")))]
    elif role == "assistant":
        known = {item.id for item in items if isinstance(item, Called)}
        for index, call in enumerate(list_or_empty(more.get("tool_calls"))):
            found = called(f"{where}.additional_kwargs.tool_calls[{index}]", call)
            items += [found] if found.id is None or found.id not in known else []
    return Message(role, merged(items, "\n"), where=where)


def _blocks(where: str, fields: JsonObject, context: Context) -> Iterator[Item]:
    if "blocks" not in fields:  # before blocks
        yield from content.items(f"{where}.content", fields.get("content"), context)
        return
    for index, value in enumerate(a_list(f"{where}.blocks", fields.get("blocks"))):
        place = f"{where}.blocks[{index}]"
        block = an_object(place, value)
        kind = str(block.get("block_type"))
        if kind == "text":
            yield Said(needs(f"{place}.text", block.get("text"), str, "a str"))
        elif kind == "tool_call":
            name = content.name(f"{place}.tool_name", block.get("tool_name"))
            args = content.arguments(block.get("tool_kwargs"))
            yield Called(name, args, text_or_none(block.get("tool_call_id")))
        elif kind in LEFT:
            context.leave(LEFT[kind])
        else:
            context.unread(f"blocks of type {kind[:60]}")


SHAPE = Shape("llama_index", detects, read)
