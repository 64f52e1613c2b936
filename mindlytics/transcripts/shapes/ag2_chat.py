"""Results of AG2's chats: ``ChatResult`` with its history."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import content
from ..context import Context
from ..fields import (
    JsonObject,
    a_list,
    an_object,
    list_or_empty,
    number_or_none,
    object_or_empty,
    objects_in,
    text_or_none,
)
from ..talk import Message, Talk, Usage, with_attributes
from . import Shape
from .autogen import users_among
from .openai_chat import message as chat_message

SWAPPED = ("user", "assistant")
"""Roles as the one who asks sees them: its own messages are the assistant's. So names decide."""


def detects(record: object) -> bool:
    """A history with what it cost and a summary."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("chat_history"), list)
        and {"summary", "cost"} <= record.keys()
    )


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation. Tokens and costs are those of the whole chat, and count for its last turn."""
    chat, talk = an_object("", record), Talk()
    history = a_list("chat_history", chat.get("chat_history"))
    speakers = [str(each["name"]) for each in objects_in(history) if each.get("name") and each.get("role") in SWAPPED]
    users = users_among(set(speakers), context) or set(speakers[:1])
    with_attributes(talk, {"chat_id": chat.get("chat_id")})
    for index, value in enumerate(history):
        place = f"chat_history[{index}]"
        with context.part():
            each = an_object(place, value)
            role, name = each.get("role"), text_or_none(each.get("name"))
            if role in SWAPPED and not (each.get("tool_calls") or each.get("function_call")):
                said_by_user = name in users if users else role == "assistant"
                each = {**each, "role": "user" if said_by_user else "assistant"}
            responses = list_or_empty(each.get("tool_responses"))
            for number, response in enumerate(responses):
                talk.take(chat_message(f"{place}.tool_responses[{number}]", response, context))
            if not responses:
                found = chat_message(place, each, context)
                talk.take(evolve(found, assistant_id=name if found.role == "assistant" else None))
    used = object_or_empty(object_or_empty(chat.get("cost")).get("usage_including_cached_inference"))
    models = {name: cost for name, cost in used.items() if isinstance(cost, dict)}
    talk.model = next(iter(models)) if len(models) == 1 else None
    talk.take(Message("assistant", usage=sum((_usage(cost) for cost in models.values()), Usage())))
    yield talk


def _usage(value: JsonObject) -> Usage:
    return evolve(content.openai_usage(value), cost=number_or_none(value.get("cost")))


SHAPE = Shape("ag2_chat", detects, read)
