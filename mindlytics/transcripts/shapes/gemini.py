"""Google Gemini, Vertex AI and ADK: ``contents`` of ``parts``, alone or with the response."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidEvent
from ..content import arguments, as_json, count, name
from ..context import Context
from ..exchanges import Exchange, log_shape
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, objects_in, text_or_none, unknown_role
from ..streams import whole
from ..talk import NOTHING, Called, Item, Message, Returned, Said, Usage, merged
from .openai_chat import first_time

ROLES: dict[object, str] = {
    **dict.fromkeys(("user", "function", "tool"), "user"),
    None: "user",
    "model": "assistant",
}


def detects(record: object) -> bool:
    """``contents``, of the record or of its request."""
    if not isinstance(record, dict):
        return False
    request = record.get("request")
    return "contents" in record or (isinstance(request, dict) and "contents" in request)


def _exchange(record: JsonObject, context: Context) -> Exchange:
    request = object_or_empty(record.get("request")) or record
    contents = a_list("contents", request.get("contents"))
    response = object_or_empty(whole(record.get("response")))
    if request.get("systemInstruction") or request.get("system_instruction"):
        context.leave("system messages")
    messages = [message(f"contents[{index}]", each, context) for index, each in enumerate(contents)]
    candidate = next(iter(objects_in(response.get("candidates"))), {})
    at = first_time("", {"created": get(response, "createTime")}, context) or first_time("", record, context)
    answer = None
    if response:
        said = message("candidates[0].content", {"role": "model", **object_or_empty(candidate.get("content"))}, context)
        used = usage(get(response, "usageMetadata"))
        answer = [
            Message(
                "assistant", said.items, at, text_or_none(get(response, "modelVersion")), used, failed=not said.items
            )
        ]
    return Exchange(
        messages,
        answer if response else [],
        an_id(record.get("session_id"), record.get("conversation_id")),
        an_id(get(response, "responseId")),
        an_id(record.get("user_id")),
        at,
        at,
    )


def message(where: str, value: object, context: Context) -> Message:
    """One content: its role and its parts.

    :raises InvalidEvent: it is none.
    """
    found = an_object(where, value)
    role = ROLES.get(found.get("role"))
    if role is None:
        raise unknown_role(f"{where}.role", found.get("role"), "user or model")
    parts = found.get("parts") or []
    items = [
        item
        for i, part in enumerate(a_list(f"{where}.parts", parts))
        for item in _part(f"{where}.parts[{i}]", part, context)
    ]
    return Message(role, merged(items, ""), where=where)


def _part(where: str, part: object, context: Context) -> Iterator[Item]:
    fields = an_object(where, part)
    if fields.get("thought") is True:
        context.leave("thinking")
    elif "text" in fields:
        if not isinstance(fields["text"], str):
            raise InvalidEvent(f"{where}.text", "a str", fields["text"])
        yield Said(fields["text"])
    elif isinstance(call := get(fields, "functionCall"), dict):
        yield Called(
            name(f"{where}.functionCall.name", call.get("name")),
            arguments(call.get("args")),
            text_or_none(call.get("id")),
        )
    elif isinstance(found := get(fields, "functionResponse"), dict):
        value = found.get("response")
        returned = value if value is None or isinstance(value, str) else as_json(value)
        yield Returned(returned, text_or_none(found.get("id")), text_or_none(found.get("name")))
    elif any(
        get(fields, key) is not None for key in ("inlineData", "fileData", "executableCode", "codeExecutionResult")
    ):
        context.leave(f"parts with {min(fields)}")
    else:
        context.unread(f"parts with {', '.join(sorted(fields))[:100] or 'nothing in them'}")


def get(fields: JsonObject, name: str) -> object:
    """A value by its name in camel case, or in snake case."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return fields.get(name, fields.get(snake))


def usage(value: object) -> Usage:
    """Usage as Gemini has it, in which thoughts are counted apart."""
    if not isinstance(value, dict):
        return NOTHING
    written = [count(get(value, key)) for key in ("candidatesTokenCount", "thoughtsTokenCount")]
    return Usage(
        count(get(value, "promptTokenCount")),
        sum(each or 0 for each in written),
        count(get(value, "cachedContentTokenCount")),
    )


SHAPE = log_shape("gemini", detects, _exchange)
