"""OpenAI Chat Completions: request bodies and fine-tuning files. This is the project's own format too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from attrs import evolve

from ...errors import InvalidEvent
from ...validators import check_name
from .. import content
from ..context import Context
from ..fields import (
    JsonObject,
    a_list,
    an_object,
    keys_of,
    list_or_empty,
    number_or_none,
    object_or_empty,
    text_or_none,
    unknown_role,
)
from ..model import Feedback, Recorded
from ..talk import NOTHING, Called, Happened, Item, Message, Returned, Said, Talk, Usage, with_attributes
from . import Shape

ROLES = {
    **dict.fromkeys(("user", "human", "customer", "enduser"), "user"),
    **dict.fromkeys(("assistant", "ai", "bot", "model", "chatbot", "gpt"), "assistant"),
    **dict.fromkeys(("tool", "function"), "tool"),
    **dict.fromkeys(("system", "developer"), "system"),
}
"""How roles are spelled, and what they are."""
NAMED = ("user", "assistant", "tool", "function", "system", "developer", "event")

TIMES = ("timestamp", "created_at", "createdAt", "create_time", "created", "date", "time")
TIME_KEYS = frozenset(TIMES)
FEEDBACK_KEYS = frozenset(("feedback", "rating"))
MORE_KEYS = frozenset(("refusal", "audio", "tool_calls", "function_call"))
USAGE_KEYS = frozenset(("usage", "prompt_tokens", "completion_tokens", "cached_tokens", "cost"))
SPOKEN_KEYS = TIME_KEYS | MORE_KEYS | {"role", "content"}
"""The keys of most messages, which say who said what and when, and nothing else."""
MESSAGE_KEYS = frozenset(
    [
        "role",
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "function_call",
        "refusal",
        "weight",
        "audio",
        "annotations",
        "id",
        "model",
        "usage",
        "metadata",
        "assistant_id",
        "feedback",
        "rating",
        "cost",
        "runtime",
        "reasoning",
        "reasoning_content",
        "thinking",
        "images",
        "files",
        "status",
        "object",
        "cached_tokens",
        "prompt_tokens",
        "completion_tokens",
        "token_count",
        "turn",
        "properties",
        "prefix",
        "logprobs",
        "experimental_attachments",
        "parts",
    ]
) | {*TIMES}
"""The keys of a message that are read, or known to say nothing of the talk."""

ID_KEYS = frozenset(
    [
        *("conversation_id", "conversationId", "thread_id", "threadId", "id", "session_id", "sessionId", "device_id"),
        *("deviceId", "user_id", "userId", "user", "safety_identifier"),
    ]
)
REQUEST_KEYS = frozenset(
    [
        *("audio", "extra_body", "extra_headers", "format", "frequency_penalty", "function_call", "functions"),
        *("keep_alive", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "modalities", "n", "object"),
        *("options", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "reasoning"),
        *("reasoning_effort", "response_format", "seed", "service_tier", "stop", "store", "stream", "stream_options"),
        *("system", "temperature", "think", "thinking", "timeout", "tool_choice", "tools", "top_k", "top_logprobs"),
        *("top_p", "verbosity", "web_search_options"),
    ]
)
"""The keys of a request that say nothing of the talk."""
EXPORT_KEYS = frozenset({"aliases", "analysis", "conversation", "session", "traits"})
RECORD_KEYS = (
    {"messages", "conversations", "model", "metadata", "title", "ended_at"}
    | ID_KEYS
    | TIME_KEYS
    | FEEDBACK_KEYS
    | REQUEST_KEYS
    | EXPORT_KEYS
)
"""The keys of a record that are read, or known to say nothing of the talk."""


def detects(record: object) -> bool:
    """Messages with roles, of no other format."""
    if isinstance(record, dict):
        return "messages" in record or _has_roles(record.get("conversations"))
    return isinstance(record, list) and bool(record) and all(isinstance(each, dict) for each in record)


def is_export(record: object) -> bool:
    """Whether it is a line of an export, which says what it says of the session apart."""
    return isinstance(record, dict) and isinstance(record.get("session"), dict) and "messages" in record


def _has_roles(value: object) -> bool:
    """Whether these are messages under the name that ShareGPT has for them."""
    found = list_or_empty(value)
    return bool(found) and all("role" in object_or_empty(each) for each in found)


def read(record: object, context: Context) -> Iterator[Talk]:
    """The conversation of a line."""
    if isinstance(record, list):
        record = {"messages": record}
    record = an_object("", record)
    name = "conversations" if "messages" not in record and "conversations" in record else "messages"
    messages = a_list(name, record.get(name))
    if messages and all(isinstance(each, dict) and "role" not in each for each in messages):
        keys = keys_of(object_or_empty(messages[0]))
        context.report(f"{name} have no roles (their keys: {keys}): pass --map for other names of keys")
        return
    for key in record.keys() - RECORD_KEYS:
        context.unread(f"the key {str(key)[:60]} of conversations")
    talk = opened(record, context)
    take_all(talk, name, messages, context)
    talk.feedback += opinions(record)
    yield talk


def opened(record: JsonObject, context: Context) -> Talk:
    """A talk with what a record says of the whole of it."""
    metadata = record.get("metadata")
    if not isinstance(metadata, dict) and metadata is not None:
        raise InvalidEvent("metadata", "an object", metadata)
    talk = Talk(
        conversation_id=_id(record, "conversation_id", "conversationId", "thread_id", "threadId", "id"),
        session_id=_id(record, "session_id", "sessionId"),
        user_id=_id(record, "user_id", "userId", "user", "safety_identifier"),
        device_id=_id(record, "device_id", "deviceId"),
        model=text_or_none(record.get("model")),
        began=first_time("", record, context),
        ended=context.time("ended_at", record.get("ended_at")),
        recorded=_recorded(record, context),
    )
    title = record.get("title")
    with_attributes(talk, {"title": title} if isinstance(title, str) and title else None, metadata)
    return talk


def take_all(talk: Talk, where: str, messages: list[object], context: Context, between: str = "\n") -> None:
    """Take messages. A bad one costs itself; a result that no call asked for costs the record.

    :raises InvalidEvent: there is such a result.
    """
    for index, value in enumerate(messages):
        place = f"{where}[{index}]"
        try:
            found = message(place, value, context, between)
        except InvalidEvent as error:
            context.report(error)
            continue
        talk.take(found)


def message(where: str, value: object, context: Context, between: str = "\n") -> Message:
    """One message.

    :raises InvalidEvent: it breaks a rule of the format.
    """
    if not isinstance(value, dict):
        raise InvalidEvent(where, "an object", value)
    role = value.get("role")
    known = "event" if role == "event" else ROLES.get(role.lower()) if isinstance(role, str) else None
    if known is None:
        raise unknown_role(f"{where}.role", role, f"one of {', '.join(NAMED)}")
    at = first_time(f"{where}.", value, context)
    if known == "system":
        context.leave("system messages")
        return Message("system", at=at)
    keys = value.keys()
    if not keys <= MESSAGE_KEYS:
        for key in keys - MESSAGE_KEYS:
            context.unread(f"the key {str(key)[:60]} of messages")
    if known == "event":
        happened = Happened(check_name(f"{where}.name", value.get("name")), object_or_empty(value.get("properties")))
        return Message("event", (happened,), at, where=where)
    if known == "tool":
        returned = content.result(f"{where}.content", value.get("content"), context)
        id, name = (
            value.get("tool_call_id"),
            value.get("name") if role != "tool" or "tool_call_id" not in value else None,
        )
        item = Returned(returned, id if isinstance(id, str) else None, name, number_or_none(value.get("runtime")))
        if id is not None and not isinstance(id, str):
            raise InvalidEvent(f"{where}.tool_call_id", "the id of a call before it that has no result yet", id)
        return Message("tool", (item,), at, where=where)
    parts = content.items(f"{where}.content", value.get("content"), context, between)
    if known == "assistant" and not MORE_KEYS.isdisjoint(value):
        parts = (*parts, *_refused(value), *_calls(where, value))
    if keys <= SPOKEN_KEYS:
        return Message(known, parts, at, where=where)
    if known == "user":
        return Message("user", parts, at, id=text_or_none(value.get("id")), turn=_turn(value), where=where)
    return Message(
        "assistant",
        parts,
        at,
        model=text_or_none(value.get("model")),
        usage=_usage(value),
        assistant_id=text_or_none(value.get("assistant_id")),
        id=text_or_none(value.get("id")),
        feedback=tuple(opinions(value)) if not FEEDBACK_KEYS.isdisjoint(value) else (),
        turn=_turn(value),
        properties=object_or_empty(value.get("properties")),
        where=where,
    )


def _turn(fields: JsonObject) -> int | None:
    number = fields.get("turn")
    return number if type(number) is int else None


def _recorded(record: JsonObject, context: Context) -> Recorded | None:
    """What a line of an export says of the session and the user."""
    if not is_export(record):
        return None
    session, conversation = object_or_empty(record["session"]), object_or_empty(record.get("conversation"))
    return Recorded(
        session_began=context.time("session.timestamp", session.get("timestamp")),
        session_ended=context.time("session.ended_at", session.get("ended_at")),
        began=context.time("timestamp", record.get("timestamp")),
        ended=context.time("ended_at", record.get("ended_at")),
        properties=object_or_empty(conversation.get("properties")),
        attributes=object_or_empty(conversation.get("attributes")),
        aliases=tuple(check_name("aliases", alias) for alias in a_list("aliases", record.get("aliases") or [])),
        traits=object_or_empty(record.get("traits")),
    )


def _refused(fields: JsonObject) -> Iterator[Item]:
    if isinstance(refusal := fields.get("refusal"), str):
        yield Said(refusal)
    audio = fields.get("audio")
    if isinstance(audio, dict) and isinstance(transcript := audio.get("transcript"), str):
        yield Said(transcript)


def _calls(where: str, fields: JsonObject) -> Iterator[Item]:
    calls = fields.get("tool_calls") or []
    if not isinstance(calls, list):
        raise InvalidEvent(f"{where}.tool_calls", "a list", calls)
    for index, call in enumerate(calls):
        yield called(f"{where}.tool_calls[{index}]", call)
    if isinstance(legacy := fields.get("function_call"), dict):
        yield called(f"{where}.function_call", {"function": legacy})


def called(where: str, call: object) -> Called:
    """A call as OpenAI has it, or LangChain (name, args and id side by side).

    :raises InvalidEvent: it is none.
    """
    function = call.get("function") if isinstance(call, dict) else None
    if isinstance(call, dict) and function is None and "name" in call:
        function = {"name": call["name"], "arguments": call.get("args", call.get("arguments"))}
    if not isinstance(call, dict) or not isinstance(function, dict):
        raise InvalidEvent(where, "an object with a function", call)
    value = function.get("arguments")
    if not isinstance(value, (dict, list, str, type(None))):
        raise InvalidEvent(f"{where}.function.arguments", "a str of JSON", value)
    id = call.get("id")
    if id is not None and not isinstance(id, str):
        raise InvalidEvent(f"{where}.id", "a str", id)
    name = check_name(f"{where}.function.name", function.get("name"))
    properties = object_or_empty(call.get("properties"))
    return Called(name, content.arguments(value), id, number_or_none(call.get("runtime")), properties)


def _usage(fields: JsonObject) -> Usage:
    if USAGE_KEYS.isdisjoint(fields):
        return NOTHING
    found = content.openai_usage(fields.get("usage"))
    if found is NOTHING and ("prompt_tokens" in fields or "completion_tokens" in fields):
        found = content.openai_usage(fields)
    cached = content.count(fields.get("cached_tokens"))
    if cached is None and isinstance(usage := fields.get("usage"), dict):
        cached = content.count(usage.get("cached_tokens"))
    if cached is not None:
        found = evolve(found, cached=cached)
    cost = number_or_none(fields.get("cost"))
    return found if cost is None else evolve(found, cost=cost)


def opinions(fields: JsonObject) -> Iterator[Feedback]:
    """Feedback: ``{"feedback": …}``, a list of these, or a ``rating``."""
    found = fields.get("feedback")
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, dict):
            name = text_or_none(each.get("name")) or "feedback"
            value = next((each[key] for key in ("value", "score", "rating") if key in each), None)
            more = {key: each[key] for key in ("count", "tag") if each.get(key) is not None}
            turn = each.get("turn")
            yield Feedback(name, value, turn if type(turn) is int else None, text_or_none(each.get("comment")), more)
        elif isinstance(each, (str, int, float)):
            yield Feedback("feedback", each)
    if isinstance(rating := fields.get("rating"), (str, int, float)):
        yield Feedback("rating", rating)


def first_time(prefix: str, fields: JsonObject, context: Context) -> datetime | None:
    """The time under the first of the usual names that there is."""
    if TIME_KEYS.isdisjoint(fields):
        return None
    for name in TIMES:
        if (value := fields.get(name)) is not None:
            return context.time(f"{prefix}{name}", value)
    return None


def _id(record: JsonObject, *names: str) -> str | None:
    for name in names:
        value = record.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, str):
            return value
        if type(value) is int:
            return str(value)
        if name not in ("id", "user"):
            raise InvalidEvent(name, "a str of 1 to 100 characters", value)
    return None


SHAPE = Shape("openai_chat", detects, read)
