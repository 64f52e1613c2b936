"""AutoGen: messages of AgentChat, alone or in a result, and saved teams and agents."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .. import content
from ..context import Context, Record
from ..fields import (
    JsonObject,
    a_list,
    an_object,
    needs,
    object_or_empty,
    objects_in,
    text_or_none,
)
from ..talk import Called, Item, Message, Returned, Said, Talk
from . import GroupedShape

TEXTS = frozenset(("TextMessage", "StopMessage", "HandoffMessage", "ToolCallSummaryMessage", "MultiModalMessage"))
CALLS = frozenset(("ToolCallRequestEvent", "ToolCallExecutionEvent", "CodeGenerationEvent", "CodeExecutionEvent"))
OF_MODELS = frozenset(("UserMessage", "AssistantMessage", "FunctionExecutionResultMessage"))
"""Messages in the memory of an agent."""
LEFT = {
    "ThoughtEvent": "thinking",
    "SystemMessage": "system messages",
    "ModelClientStreamingChunkEvent": "pieces of a text that follows",
    **dict.fromkeys(
        ("UserInputRequestedEvent", "MemoryQueryEvent", "SelectSpeakerEvent", "SelectorEvent"), "what the program wrote"
    ),
}
KINDS = TEXTS | CALLS | OF_MODELS | LEFT.keys()
USERS = frozenset(("user", "human", "user_proxy", "userproxy", "user_proxy_agent", "userproxyagent"))
"""Names of users, in small letters. Who is asked for input is a user too, and all but whom ``--assistant`` names."""
STATES = ("agent_states", "message_thread", "llm_context")


def detects(record: object) -> bool:
    """A message, messages in a result, or a saved state."""
    if not isinstance(record, dict):
        return False
    if "version" in record and any(isinstance(record.get(key), (dict, list)) for key in STATES):
        return True
    return _is_message(record) or any(map(_is_message, objects_in(record.get("messages"))[:1]))


def _is_message(value: JsonObject) -> bool:
    kind = str(value.get("type"))
    if kind in ("SystemMessage", "FunctionExecutionResultMessage"):
        return "content" in value and "additional_kwargs" not in value
    return "source" in value and "role" not in value and (kind in KINDS or kind.startswith("StructuredMessage"))


def group(record: object, context: Context) -> str:
    """The whole file for messages. Anything else is a conversation by itself."""
    return "file" if _is_message(an_object("", record)) else f"record {context.record.number}"


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation."""
    talk = Talk()
    found = [(each, "message", each.value) for each in records]
    if not _is_message(records[0].fields):
        where, messages = _thread(records[0].fields)
        found = [(records[0], f"{where}[{n}]", each) for n, each in enumerate(a_list(where, messages))]
    values = [object_or_empty(value) for *_, value in found]
    asked = {str(each.get("source")) for each in values if each.get("type") == "UserInputRequestedEvent"}
    users = users_among({str(each.get("source")) for each in values}, context, asked)
    has_calls = any(each.get("type") == "ToolCallRequestEvent" for each in values)
    for record, place, value in found:
        context.record = record
        with context.part():
            talk.take(_message(place, an_object(place, value), users, has_calls, context))
    yield talk


def _thread(record: JsonObject) -> tuple[str, object]:
    """The messages of a result, of a team's thread, or of an agent's memory."""
    for state in object_or_empty(record.get("agent_states")).values():
        if isinstance(state, dict) and "message_thread" in state:
            return "message_thread", state["message_thread"]
    if "message_thread" in record:
        return "message_thread", record["message_thread"]
    if "llm_context" in record:
        return "llm_context.messages", object_or_empty(record["llm_context"]).get("messages")
    return "messages", record.get("messages")


def _message(where: str, fields: JsonObject, users: set[str], has_calls: bool, context: Context) -> Message:
    kind, source = str(fields.get("type")), text_or_none(fields.get("source"))
    at = context.time(f"{where}.created_at", fields.get("created_at"))
    if kind in LEFT:
        context.leave(LEFT[kind])
        return Message("system", at=at)
    items = list(_items(where, kind, fields, context))
    if all(isinstance(item, Returned) for item in items) and items:
        return Message("tool", tuple(items), at, where=where)
    if kind == "UserMessage" or source in users:
        return Message("user", tuple(items), at, id=text_or_none(fields.get("id")), where=where)
    if kind == "HandoffMessage":
        context.leave("what the program wrote")
        items = []
    if kind == "ToolCallSummaryMessage" and not has_calls:
        items = [*_calls(f"{where}.tool_calls", fields.get("tool_calls"))]
        items += [*_results(f"{where}.results", fields.get("results")), *_items(where, kind, fields, context)]
    return Message(
        "assistant",
        tuple(items),
        at,
        usage=content.openai_usage(fields.get("models_usage")),
        assistant_id=source,
        id=text_or_none(fields.get("id")),
        where=where,
    )


def users_among(names: set[str], context: Context, asked: Collection[str] = ()) -> set[str]:
    """Who of those who speak is a user."""
    wanted = context.options.assistant
    return names - {wanted} if wanted in names else {each for each in names if each in asked or each.lower() in USERS}


def _items(where: str, kind: str, fields: JsonObject, context: Context) -> Iterator[Item]:
    value = fields.get("content")
    place = f"{where}.content"
    if fields.get("thought"):
        context.leave("thinking")
    if kind in ("CodeGenerationEvent", "CodeExecutionEvent"):
        yield from _code(fields)
    elif kind in ("ToolCallExecutionEvent", "FunctionExecutionResultMessage"):
        yield from _results(place, value)
    elif kind == "ToolCallRequestEvent" or (kind == "AssistantMessage" and isinstance(value, list)):
        yield from _calls(place, value)
    elif kind.startswith("StructuredMessage"):
        yield Said(content.as_json(value))
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, str):
                yield Said(part)
            else:
                context.leave("images")
    elif kind in KINDS:
        yield Said(needs(place, value, str, "a str"))
    else:
        context.unread(f"messages of type {kind[:60]}")


def _code(fields: JsonObject) -> Iterator[Item]:
    if "result" in fields:
        yield Returned(content.arguments(object_or_empty(fields.get("result")).get("output")), name="code")
    elif fields.get("code_blocks"):
        yield Called("code", content.arguments(fields.get("content")))


def _calls(where: str, value: object) -> Iterator[Item]:
    for index, each in enumerate(a_list(where, value)):
        call = an_object(f"{where}[{index}]", each)
        name = content.name(f"{where}[{index}].name", call.get("name"))
        yield Called(name, content.arguments(call.get("arguments")), text_or_none(call.get("id")))


def _results(where: str, value: object) -> Iterator[Item]:
    for index, each in enumerate(a_list(where, value)):
        result = an_object(f"{where}[{index}]", each)
        id, name = text_or_none(result.get("call_id")), text_or_none(result.get("name"))
        yield Returned(content.arguments(result.get("content")), id, name)


SHAPE = GroupedShape("autogen", detects, read, group)
