"""Logs of Chat Completions, Anthropic Messages and Bedrock Converse: a request with ``messages``, and its response."""

from __future__ import annotations

from .. import content
from ..context import Context
from ..exchanges import Exchange, log_shape
from ..fields import JsonObject, a_list, an_id, an_object, object_or_empty, text_or_none
from ..streams import whole
from ..talk import Message
from . import anthropic_messages, bedrock_converse
from .openai_chat import first_time, message

IDS = ("conversation_id", "conversationId", "session_id", "sessionId", "thread_id", "threadId")
HANDLED = frozenset({*IDS, "user_id"})


def detects(record: object) -> bool:
    """A request with messages and a response side by side, or messages with ``choices``."""
    if not isinstance(record, dict):
        return False
    request, response = _sides(record)
    if "messages" in object_or_empty(request):
        return response is not None or "response" in record
    return isinstance(record.get("messages"), list) and ("choices" in record or "response" in record)


def _sides(record: JsonObject) -> tuple[object, object]:
    """The request and the response, as they are or with their HTTP bodies under ``body`` or ``request_body``."""
    request = record.get("request", record.get("body", record.get("request_body")))
    response = record.get("response", record.get("response_body"))
    if isinstance(request, dict) and "messages" not in request and isinstance(request.get("body"), dict):
        request = request["body"]
    if isinstance(response, dict) and "choices" not in response and isinstance(response.get("body"), dict):
        response = response["body"]
    return request, response


def _exchange(record: JsonObject, context: Context) -> Exchange:
    request, answer = _sides(record)
    if request is None and "messages" in record:
        request = record
    request = an_object("", request)
    messages = a_list("messages", request.get("messages"))
    metadata = {**object_or_empty(record.get("metadata")), **object_or_empty(request.get("metadata"))}
    if answer is None and "choices" in record:
        answer = {key: value for key, value in record.items() if key != "messages"}
    answer = whole(answer)
    answered = _answer(answer, record, context)
    began = first_time("", record, context)
    ended = answered.at if answered and answered.at else None
    between = "\n"
    if request.get("system") or anthropic_messages.detects(request):
        between = ""
    history = []
    for index, each in enumerate(messages):
        found = message(f"messages[{index}]", each, context, between)
        if found.role != "system":
            history.append(found)
    return Exchange(
        history,
        None if answered is None else [answered],
        an_id(*(metadata.get(name) for name in IDS), *(record.get(name) for name in IDS)),
        _response_id(answer),
        an_id(request.get("user"), request.get("safety_identifier"), record.get("user_id"), metadata.get("user_id")),
        began,
        ended,
        None,
        {
            **{key: value for key, value in metadata.items() if key not in HANDLED},
            **object_or_empty(record.get("requestMetadata")),
        },
        shape=_shape(answer, request),
    )


def _shape(answer: object, request: JsonObject) -> str | None:
    """The name of the service's format, where it is not OpenAI's."""
    if isinstance(answer, dict) and bedrock_converse.is_response(answer):
        return bedrock_converse.SHAPE.name
    if anthropic_messages.is_response(answer) or anthropic_messages.detects(request):
        return anthropic_messages.SHAPE.name
    return None


def _answer(value: object, record: JsonObject, context: Context) -> Message | None:
    """What the model answered; None where it did not."""
    if not isinstance(value, dict):
        return None
    if bedrock_converse.is_response(value):
        return bedrock_converse.response(value, record, context)
    if anthropic_messages.is_response(value):
        return anthropic_messages.response(value, context)
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    if len(choices) > 1:
        context.leave("further choices")
    found = choices[0].get("message")
    if not isinstance(found, dict):
        return None
    said = message("choices[0].message", {"role": "assistant", **found}, context)
    return Message(
        "assistant",
        said.items,
        first_time("response.", value, context),
        value.get("model"),
        content.openai_usage(value.get("usage")),
        id=text_or_none(value.get("id")),
    )


def _response_id(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    return an_id(value.get("id"), object_or_empty(value.get("ResponseMetadata")).get("RequestId"))


SHAPE = log_shape("openai_chat_log", detects, _exchange)
