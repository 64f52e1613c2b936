"""Google Gemini, Vertex AI and ADK: ``contents`` of ``parts``, alone or with the response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InvalidEvent
from ..content import arguments, as_json, count, name
from ..context import Context, a_list, an_id, an_object, object_or_empty
from ..exchanges import Exchange, log_shape
from ..streams import whole
from ..talk import NOTHING, Called, Item, Message, Returned, Said, Usage, merged
from .openai_chat import first_moment


def detects(record: Any) -> bool:
    """``contents``, of the record or of its request."""
    if not isinstance(record, dict):
        return False
    request = record.get("request")
    return "contents" in record or (isinstance(request, dict) and "contents" in request)


def _exchange(record: dict[str, Any], context: Context) -> Exchange:
    request = record["request"] if isinstance(record.get("request"), dict) else record
    contents = a_list("contents", request.get("contents"))
    response = object_or_empty(whole(record.get("response")))
    if request.get("systemInstruction") or request.get("system_instruction"):
        context.leave("system messages")
    messages = [_message(f"contents[{index}]", each, context) for index, each in enumerate(contents)]
    candidates = response.get("candidates")
    answered = candidates[0].get("content") if isinstance(candidates, list) and candidates else None
    at = first_moment("", {"created": _get(response, "createTime")}, context) or first_moment("", record, context)
    answer = None
    if response:
        said = _message("candidates[0].content", {"role": "model", **(answered or {})}, context)
        usage = _usage(_get(response, "usageMetadata"))
        answer = [Message("assistant", said.items, at, _get(response, "modelVersion"), usage, failed=not said.items)]
    return Exchange(
        messages,
        answer if response else [],
        an_id(record.get("session_id"), record.get("conversation_id")),
        an_id(_get(response, "responseId")),
        an_id(record.get("user_id")),
        at,
        at,
    )


def _message(where: str, given: object, context: Context) -> Message:
    found = an_object(where, given)
    role = {"user": "user", None: "user", "model": "assistant", "function": "user", "tool": "user"}.get(
        found.get("role")
    )
    if role is None:
        raise InvalidEvent(f"{where}.role", "user or model", found.get("role"))
    parts = found.get("parts") or []
    items = [
        item
        for i, part in enumerate(a_list(f"{where}.parts", parts))
        for item in _part(f"{where}.parts[{i}]", part, context)
    ]
    return Message(role, merged(items, ""), where=where)


def _part(where: str, part: object, context: Context) -> Iterator[Item]:
    given = an_object(where, part)
    if given.get("thought") is True:
        context.leave("thinking")
    elif "text" in given:
        if not isinstance(given["text"], str):
            raise InvalidEvent(f"{where}.text", "a str", given["text"])
        yield Said(given["text"])
    elif isinstance(call := _get(given, "functionCall"), dict):
        yield Called(name(f"{where}.functionCall.name", call.get("name")), arguments(call.get("args")), call.get("id"))
    elif isinstance(found := _get(given, "functionResponse"), dict):
        value = found.get("response")
        returned = value if value is None or isinstance(value, str) else as_json(value)
        yield Returned(returned, found.get("id"), found.get("name"))
    elif any(
        _get(given, key) is not None for key in ("inlineData", "fileData", "executableCode", "codeExecutionResult")
    ):
        context.leave(f"parts with {min(given)}")
    else:
        context.unread(f"parts with {', '.join(sorted(given))[:100] or 'nothing in them'}")


def _get(given: dict[str, Any], name: str) -> Any:
    """A value by its name in camel case, or in snake case."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return given.get(name, given.get(snake))


def _usage(given: Any) -> Usage:
    if not isinstance(given, dict):
        return NOTHING
    written = [count(_get(given, key)) for key in ("candidatesTokenCount", "thoughtsTokenCount")]
    return Usage(
        count(_get(given, "promptTokenCount")),
        sum(each or 0 for each in written),
        count(_get(given, "cachedContentTokenCount")),
    )


SHAPE = log_shape("gemini", detects, _exchange)
