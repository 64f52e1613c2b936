"""OpenAI Responses: requests with ``input``, their responses, and streams of ``response.*`` events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ...errors import InvalidEvent
from .. import content
from ..context import Context, a_list, an_id, an_object, object_or_empty
from ..streams import whole
from ..talk import Called, Message, Returned, Said, Talk, with_attributes
from . import Shape
from .openai_chat import ROLES, first_moment

HOSTED = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "computer_call",
    "mcp_call",
    "image_generation_call",
)
FINAL = ("response.completed", "response.incomplete", "response.failed")


def detects(record: Any) -> bool:
    """A response, a request with ``input`` and no messages, or an event of a stream."""
    if not isinstance(record, dict):
        return False
    if record.get("object") == "response" or str(record.get("type", "")).startswith("response."):
        return True
    request = record.get("request", record.get("body"))
    if isinstance(request, dict):
        return "input" in request and "messages" not in request and "model" in request
    return "input" in record and "model" in record and "messages" not in record and "run_type" not in record


def group(record: Any, context: Context) -> str:
    """The response's own id."""
    _, response = _parts(record)
    return str(response.get("id") or "events")


def link(record: Any) -> str | None:
    """The id of the response that it goes on with."""
    request, response = _parts(record)
    previous = request.get("previous_response_id") or response.get("previous_response_id")
    return previous if isinstance(previous, str) else None


def _parts(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    if record.get("object") == "response":
        return {}, record
    kind = str(record.get("type", ""))
    if kind.startswith("response."):
        response = record.get("response")
        return {}, response if kind in FINAL and isinstance(response, dict) else {}
    request = record.get("request", record.get("body"))
    response = whole(record.get("response"))
    return an_object("request", record if request is None else request), object_or_empty(response)


def read(records: Any, context: Context) -> Iterator[Talk]:
    """The conversation of a chain of responses."""
    found = []
    for record in records:
        request, response = _parts(record.value)
        if request or response:
            found.append((record, request, response))
    if not found:
        return
    by_id = {each[2].get("id"): each for each in found}
    found.sort(key=lambda each: _depth(each, by_id))
    talk = Talk(conversation_id=an_id(found[0][2].get("id")))
    for record, request, response in found:
        context.record = record
        _take(talk, request, response, context)
    yield talk


def _depth(each: Any, by_id: dict[Any, Any]) -> int:
    depth = 0
    while depth < len(by_id):
        _, request, response = each
        previous = request.get("previous_response_id") or response.get("previous_response_id")
        if previous not in by_id:
            break
        each, depth = by_id[previous], depth + 1
    return depth


def _take(talk: Talk, request: dict[str, Any], response: dict[str, Any], context: Context) -> None:
    at = first_moment("response.", response, context) or first_moment("request.", request, context)
    talk.began = talk.began or at
    talk.user_id = talk.user_id or an_id(request.get("user"), request.get("safety_identifier"), response.get("user"))
    metadata = response.get("metadata") or request.get("metadata")
    with_attributes(talk, metadata if isinstance(metadata, dict) else None)
    if request.get("instructions") or response.get("instructions"):
        context.leave("system messages")
    given = request.get("input")
    for index, each in enumerate([given] if isinstance(given, str) else a_list("input", given or [])):
        for each_message in message(f"input[{index}]", each, context):
            talk.take(evolve(each_message, at=at))
    model = response.get("model")
    messages = [
        m for i, each in enumerate(response.get("output") or []) for m in message(f"output[{i}]", each, context)
    ]
    answers = [evolve(each, at=at, model=model) for each in messages]
    if response.get("status") == "failed" or not answers:
        answers.append(Message("assistant", (), at, model, failed=True))
    usage = content.openai_usage(response.get("usage"))
    talk.take_all(answers[:-1])
    talk.take(evolve(answers[-1], usage=usage))


def message(where: str, given: object, context: Context) -> Iterator[Message]:
    """The messages of an item of ``input`` or ``output``."""
    if isinstance(given, str):
        yield Message("user", (Said(given),), where=where)
        return
    found = an_object(where, given)
    kind = found.get("type", "message")
    if kind == "message":
        role = ROLES.get(str(found.get("role")).lower())
        if role is None:
            raise InvalidEvent(f"{where}.role", "user, assistant, system or developer", found.get("role"))
        if role == "system":
            context.leave("system messages")
        else:
            yield Message(role, content.items(f"{where}.content", found.get("content"), context, ""), where=where)
    elif kind in ("function_call", "custom_tool_call"):
        args = content.arguments(found.get("arguments", found.get("input")))
        yield Message(
            "assistant", (Called(content.name(f"{where}.name", found.get("name")), args, found.get("call_id")),)
        )
    elif kind in ("function_call_output", "custom_tool_call_output"):
        output = content.result(f"{where}.output", found.get("output"), context)
        yield Message("tool", (Returned(output, found.get("call_id")),), where=where)
    elif kind in HOSTED:
        args = found.get("action", found.get("arguments", found.get("queries", found.get("code"))))
        called = Called(str(found.get("name") or kind.removesuffix("_call")), content.arguments(args), found.get("id"))
        returned = found.get("output", found.get("results"))
        items = (called,) if returned is None else (called, Returned(content.arguments(returned), found.get("id")))
        yield Message("assistant", items)
    elif kind == "reasoning":
        context.leave("thinking")
    elif kind in ("item_reference", "compaction"):
        context.leave(f"items of type {kind}")
    else:
        context.unread(f"items of type {kind}")


SHAPE = Shape("openai_responses", detects, read, group, link)
