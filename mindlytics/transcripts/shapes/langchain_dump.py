"""Messages of LangChain and LangGraph, as ``messages_to_dict``, ``dumpd``, ``model_dump`` and checkpoints have them."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidEvent
from .. import content
from ..content import count
from ..context import Context
from ..fields import JsonObject, a_list, an_id, an_object, list_or_empty, object_or_empty, text_or_none
from ..talk import NOTHING, Called, Message, Returned, Talk, Usage, with_attributes
from . import Shape
from .openai_chat import called

KINDS = {
    **dict.fromkeys(("human", "HumanMessage", "HumanMessageChunk", "user"), "user"),
    **dict.fromkeys(("ai", "AIMessage", "AIMessageChunk", "assistant"), "assistant"),
    **dict.fromkeys(("tool", "function", "ToolMessage", "FunctionMessage", "ToolMessageChunk"), "tool"),
    **dict.fromkeys(("system", "developer", "SystemMessage", "SystemMessageChunk"), "system"),
    **dict.fromkeys(("remove", "RemoveMessage"), "remove"),
}


def is_message(value: object) -> bool:
    """Whether it is one of LangChain's messages."""
    if not isinstance(value, dict):
        return False
    if value.get("lc") == 1:
        return isinstance(value.get("id"), list) and str(value["id"][-1]) in KINDS
    return value.get("type") in KINDS and (isinstance(value.get("data"), dict) or "additional_kwargs" in value)


def detects(record: object) -> bool:
    """A list of such messages, alone or under ``messages``."""
    found = _messages(record)
    return isinstance(found, list) and bool(found) and is_message(found[0])


def _messages(record: object) -> object:
    if isinstance(record, dict):
        values = record.get("values")
        return values.get("messages") if isinstance(values, dict) else record.get("messages")
    return record


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation."""
    outer = object_or_empty(record)
    config = object_or_empty(object_or_empty(outer.get("config")).get("configurable"))
    metadata = object_or_empty(outer.get("metadata"))
    talk = Talk(
        conversation_id=an_id(outer.get("thread_id"), config.get("thread_id"), metadata.get("thread_id")),
        user_id=an_id(outer.get("user_id"), config.get("user_id"), metadata.get("user_id")),
        began=context.time("created_at", outer.get("created_at")),
    )
    with_attributes(talk, metadata, without=("thread_id", "user_id"))
    found = a_list("messages", _messages(record))
    removed = {inner.get("id") for each in found if (inner := unwrapped(each))["type"] == "remove"}
    for index, each in enumerate(found):
        with context.part():
            message = read_message(f"messages[{index}]" if outer else f"[{index}]", each, context)
            if message is not None and (message.id is None or message.id not in removed):
                talk.take(message)
    yield talk


def unwrapped(value: object) -> JsonObject:
    """The fields of a message, whatever it is wrapped in, with its kind under ``type``."""
    if not isinstance(value, dict):
        return {"type": None}
    if value.get("lc") == 1:
        inner = {**(value.get("kwargs") or {}), "type": str((value.get("id") or [None])[-1])}
    else:
        inner = {**value["data"], "type": value.get("type")} if isinstance(value.get("data"), dict) else value
    return {**inner, "type": KINDS.get(str(inner.get("type", inner.get("role"))))}


def read_message(where: str, value: object, context: Context) -> Message | None:
    """A message; None where it says nothing by itself.

    :raises InvalidEvent: it is none.
    """
    found = unwrapped(an_object(where, value))
    role = text_or_none(found["type"])
    if role is None:
        raise InvalidEvent(f"{where}.type", "human, ai, tool or system", object_or_empty(value).get("type"))
    if role == "remove":
        return None
    if role == "system":
        context.leave("system messages")
        return Message("system")
    if role == "tool":
        returned = content.result(f"{where}.content", found.get("content"), context)
        return Message(
            "tool",
            (Returned(returned, text_or_none(found.get("tool_call_id")), text_or_none(found.get("name"))),),
            where=where,
        )
    parts = content.items(f"{where}.content", found.get("content"), context)
    id = text_or_none(found.get("id"))
    if role == "user":
        return Message("user", parts, id=id, where=where)
    more = object_or_empty(found.get("additional_kwargs"))
    calls = list_or_empty(found.get("tool_calls"))
    invalid = list_or_empty(found.get("invalid_tool_calls"))
    if not calls and not invalid:
        calls = list_or_empty(more.get("tool_calls")) or (
            [{"function": more["function_call"]}] if more.get("function_call") else []
        )
    read = [called(f"{where}.tool_calls[{index}]", each) for index, each in enumerate([*calls, *invalid])]
    known = {item.id for item in parts if isinstance(item, Called)}
    items = (*parts, *(each for each in read if each.id is None or each.id not in known))
    response = object_or_empty(found.get("response_metadata"))
    return Message(
        "assistant",
        items,
        model=text_or_none(response.get("model_name")) or text_or_none(response.get("model")),
        usage=_usage(found.get("usage_metadata")),
        id=id,
        where=where,
    )


def _usage(value: object) -> Usage:
    if not isinstance(value, dict):
        return NOTHING
    details = value.get("input_token_details")
    cached = details.get("cache_read") if isinstance(details, dict) else None
    return Usage(count(value.get("input_tokens")), count(value.get("output_tokens")), count(cached))


SHAPE = Shape("langchain_dump", detects, read)
