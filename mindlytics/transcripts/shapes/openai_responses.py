"""OpenAI Responses: requests with ``input``, their responses, and streams of ``response.*`` events."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import content
from ..context import Context, Record
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, text_or_none, unknown_role
from ..streams import whole
from ..talk import Called, Message, Returned, Said, Talk, with_attributes
from . import GroupedShape
from .openai_chat import ROLES, first_time

HOSTED = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "computer_call",
    "mcp_call",
    "image_generation_call",
)
FINAL = ("response.completed", "response.incomplete", "response.failed")


def detects(record: object) -> bool:
    """A response, a request with ``input`` and no messages, or an event of a stream."""
    if not isinstance(record, dict):
        return False
    if record.get("object") == "response" or str(record.get("type", "")).startswith("response."):
        return True
    request = record.get("request", record.get("body"))
    if isinstance(request, dict):
        return "input" in request and "messages" not in request and "model" in request
    return "input" in record and "model" in record and "messages" not in record and "run_type" not in record


def group(record: object, context: Context) -> str:
    """The response's own id."""
    record = an_object("", record)
    _, response = _parts(record)
    return str(response.get("id") or "events")


def link(record: object) -> str | None:
    """The id of the response that it goes on with."""
    record = an_object("", record)
    request, response = _parts(record)
    previous = request.get("previous_response_id") or response.get("previous_response_id")
    return text_or_none(previous)


def _parts(record: JsonObject) -> tuple[JsonObject, JsonObject]:
    if record.get("object") == "response":
        return {}, record
    kind = str(record.get("type", ""))
    if kind.startswith("response."):
        response = record.get("response")
        return {}, response if kind in FINAL and isinstance(response, dict) else {}
    request = record.get("request", record.get("body"))
    response = whole(record.get("response"))
    return an_object("request", record if request is None else request), object_or_empty(response)


def read(records: list[Record], context: Context) -> Iterator[Talk]:
    """The conversation of a chain of responses."""
    found = []
    for record in records:
        request, response = _parts(record.fields)
        if request or response:
            found.append((record, request, response))
    if not found:
        return
    by_id = {response.get("id"): (request, response) for _, request, response in found}
    found.sort(key=lambda each: _depth(each[1], each[2], by_id))
    talk = Talk(conversation_id=an_id(found[0][2].get("id")))
    for record, request, response in found:
        context.record = record
        with context.part():
            _take(talk, request, response, context)
    yield talk


def _depth(request: JsonObject, response: JsonObject, by_id: dict[object, tuple[JsonObject, JsonObject]]) -> int:
    depth = 0
    while depth < len(by_id):
        previous = request.get("previous_response_id") or response.get("previous_response_id")
        if previous not in by_id:
            break
        (request, response), depth = by_id[previous], depth + 1
    return depth


def _take(talk: Talk, request: JsonObject, response: JsonObject, context: Context) -> None:
    at = first_time("response.", response, context) or first_time("request.", request, context)
    talk.began = talk.began or at
    talk.user_id = talk.user_id or an_id(request.get("user"), request.get("safety_identifier"), response.get("user"))
    metadata = response.get("metadata") or request.get("metadata")
    with_attributes(talk, object_or_empty(metadata))
    if request.get("instructions") or response.get("instructions"):
        context.leave("system messages")
    value = request.get("input")
    for index, each in enumerate([value] if isinstance(value, str) else a_list("input", value or [])):
        for each_message in message(f"input[{index}]", each, context):
            talk.take(evolve(each_message, at=at))
    model = text_or_none(response.get("model"))
    output = a_list("output", response.get("output") or [])
    messages = [m for i, each in enumerate(output) for m in message(f"output[{i}]", each, context)]
    answers = [evolve(each, at=at, model=model) for each in messages]
    if response.get("status") == "failed" or not answers:
        answers.append(Message("assistant", (), at, model, failed=True))
    usage = content.openai_usage(response.get("usage"))
    talk.take_all(answers[:-1])
    talk.take(evolve(answers[-1], usage=usage))


def message(where: str, value: object, context: Context) -> Iterator[Message]:
    """The messages of an item of ``input`` or ``output``."""
    if isinstance(value, str):
        yield Message("user", (Said(value),), where=where)
        return
    found = an_object(where, value)
    kind = found.get("type", "message")
    if kind == "message":
        role = ROLES.get(str(found.get("role")).lower())
        if role is None:
            raise unknown_role(f"{where}.role", found.get("role"), "user, assistant, system or developer")
        if role == "system":
            context.leave("system messages")
        else:
            yield Message(role, content.items(f"{where}.content", found.get("content"), context, ""), where=where)
    elif kind in ("function_call", "custom_tool_call"):
        args = content.arguments(found.get("arguments", found.get("input")))
        yield Message(
            "assistant",
            (Called(content.name(f"{where}.name", found.get("name")), args, text_or_none(found.get("call_id"))),),
        )
    elif kind in ("function_call_output", "custom_tool_call_output"):
        output = content.result(f"{where}.output", found.get("output"), context)
        yield Message("tool", (Returned(output, text_or_none(found.get("call_id"))),), where=where)
    elif kind in HOSTED:
        action = found.get("action", found.get("arguments", found.get("queries", found.get("code"))))
        call_id = text_or_none(found.get("id"))
        called = Called(str(found.get("name") or str(kind).removesuffix("_call")), content.arguments(action), call_id)
        returned = found.get("output", found.get("results"))
        items = (called,) if returned is None else (called, Returned(content.arguments(returned), call_id))
        yield Message("assistant", items)
    elif kind == "reasoning":
        context.leave("thinking")
    elif kind in ("item_reference", "compaction"):
        context.leave(f"items of type {kind}")
    else:
        context.unread(f"items of type {kind}")


SHAPE = GroupedShape("openai_responses", detects, read, group, link)
