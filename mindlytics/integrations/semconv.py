"""Reads models, tools and agents from a span's attributes, in three vocabularies, each in older and current forms.

They are OpenTelemetry's own (``gen_ai.*``), OpenLLMetry's (``traceloop.*``, ``llm.*``) and OpenInference's. Spans come
as names and plain values, so no library is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from ..tokens import Tokens

Attributes = Mapping[str, object]

MODEL, TOOL, AGENT = "model", "tool", "agent"

_KINDS = {
    "chat": MODEL,
    "text_completion": MODEL,
    "completion": MODEL,
    "generate_content": MODEL,
    "execute_tool": TOOL,
    "invoke_agent": AGENT,
    "create_agent": None,
    "embeddings": None,
    "LLM": MODEL,
    "TOOL": TOOL,
    "AGENT": AGENT,
    "CHAIN": AGENT,
    "tool": TOOL,
    "agent": AGENT,
    "workflow": AGENT,
}
_INDEXED = re.compile(
    r"(?:gen_ai\.(prompt|completion)|llm\.(input_messages|output_messages))\.(\d+)\.(?:message\.)?(role|content)"
)
_EVENTS = {"gen_ai.user.message": "user", "gen_ai.system.message": "system", "gen_ai.assistant.message": "assistant"}

Message = tuple[str, str]
"""Who said something, and what."""


def kind_of(attributes: Attributes) -> str | None:
    """The kind of a span: a model, a tool or an agent. None for others, and for steps within one."""
    for name in ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind"):
        if name in attributes:
            return _KINDS.get(str(attributes[name]))
    if attributes.get("llm.request.type") in ("chat", "completion"):
        return MODEL
    return MODEL if any(name.startswith("gen_ai.usage.") for name in attributes) else None


def model_of(attributes: Attributes) -> object:
    return _first(attributes, "gen_ai.response.model", "gen_ai.request.model", "llm.model_name")


def tokens_of(attributes: Attributes) -> Tokens:
    """A model's token counts. Cached tokens are taken as part of the input, since the span does not say."""

    def count(*names: str) -> int:
        found = _first(attributes, *names)
        return int(found) if isinstance(found, (int, float)) or (isinstance(found, str) and found.isdigit()) else 0

    usage, llm = "gen_ai.usage.", "llm.token_count."
    return Tokens(
        count(f"{usage}input_tokens", f"{usage}prompt_tokens", f"{llm}prompt"),
        count(f"{usage}output_tokens", f"{usage}completion_tokens", f"{llm}completion"),
        count(f"{usage}cache_read.input_tokens", f"{usage}cache_read_input_tokens", f"{llm}prompt_details.cache_read"),
        count(
            f"{usage}cache_creation.input_tokens",
            f"{usage}cache_creation_input_tokens",
            f"{llm}prompt_details.cache_write",
        ),
        count(f"{usage}reasoning.output_tokens", f"{usage}reasoning_tokens", f"{llm}completion_details.reasoning"),
    )


def asked(attributes: Attributes, events: list[tuple[str, Attributes]]) -> str:
    """The user's last words."""
    said = [text for role, text in _messages(attributes, events, "input") if role in ("user", "human") and text]
    return said[-1] if said else ""


def answered(attributes: Attributes, events: list[tuple[str, Attributes]]) -> str:
    """The assistant's last words."""
    said = [text for _, text in _messages(attributes, events, "output") if text]
    return said[-1] if said else ""


def tool_of(attributes: Attributes, span_name: str) -> tuple[str, object, object]:
    """A tool's name, arguments and result."""
    name = _first(attributes, "gen_ai.tool.name", "tool.name", "traceloop.entity.name")
    if name is None:
        name = span_name.removeprefix("execute_tool ")
    args = _first(attributes, "gen_ai.tool.call.arguments", "tool.parameters", "input.value", "traceloop.entity.input")
    return str(name), args, _first(attributes, "gen_ai.tool.call.result", "output.value", "traceloop.entity.output")


def agent_of(attributes: Attributes) -> str | None:
    return _text_or_none(_first(attributes, "gen_ai.agent.name", "agent.name", "graph.node.id"))


def conversation_of(attributes: Attributes) -> object:
    return _first(attributes, "gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id")


def user_of(attributes: Attributes) -> str | None:
    return _text_or_none(_first(attributes, "user.id", "enduser.id", "traceloop.association.properties.user_id"))


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def _first(attributes: Attributes, *names: str) -> object:
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def _messages(attributes: Attributes, events: list[tuple[str, Attributes]], side: str) -> Iterator[Message]:
    """The messages of the input or output, in the first form that is present."""
    for holder in (attributes, *(values for _, values in events)):
        messages = holder.get(f"gen_ai.{side}.messages")
        if messages is not None:
            yield from _read(messages, "user" if side == "input" else "assistant")
            return
    found: dict[int, dict[str, object]] = {}
    for name, value in attributes.items():
        match = _INDEXED.fullmatch(name)
        if match and (match[1] or match[2]) in (
            ("prompt", "input_messages") if side == "input" else ("completion", "output_messages")
        ):
            found.setdefault(int(match[3]), {})[match[4]] = value
    if found:
        yield from ((str(each.get("role", "")), _text(each.get("content"))) for _, each in sorted(found.items()))
        return
    yielded = False
    for message in _of_events(events, side):
        yielded = True
        yield message
    if yielded or attributes.get(f"{side}.mime_type", "text/plain") != "text/plain":
        return
    value = attributes.get(f"{side}.value")
    if side == "output" and value is not None:
        yield "assistant", str(value)
    elif value is not None and not str(value).startswith(('{"', '[{"')):  # the arguments of a library's method
        yield "user", str(attributes.get("task_description") or value)  # CrewAI adds instructions to the task


def _of_events(events: list[tuple[str, Attributes]], side: str) -> Iterator[Message]:
    for name, values in events:
        body = values.get("gen_ai.event.content") or values.get("event_body") or values
        if isinstance(body, str):
            body = _json(body)
        body = body if isinstance(body, Mapping) else {"content": body}
        if side == "input" and name in _EVENTS:
            yield _EVENTS[name], _text(body.get("content"))
        elif side == "output" and name == "gen_ai.choice":
            message = body.get("message", body)
            message = _json(message) if isinstance(message, str) else message
            yield "assistant", _text(message.get("content") if isinstance(message, Mapping) else message)
        elif name == ("gen_ai.content.prompt" if side == "input" else "gen_ai.content.completion"):
            messages = values.get("gen_ai.prompt" if side == "input" else "gen_ai.completion")
            yield from _read(messages, "user" if side == "input" else "assistant")


def _read(messages: object, role: str) -> Iterator[Message]:
    """Messages as JSON text, or as parsed values."""
    messages = _json(messages) if isinstance(messages, str) else messages
    for each in messages if isinstance(messages, (list, tuple)) else [messages]:
        if isinstance(each, Mapping):
            yield str(each.get("role", role)), _text(each.get("parts", each.get("content")))
        else:
            yield role, _text(each)


def _text(content: object) -> str:
    """The text of a content, or of its parts."""
    if isinstance(content, str):
        inner = _json(content) if content[:1] in "[{" else content
        found = _text(inner) if not isinstance(inner, str) else ""
        return found or content
    if isinstance(content, (list, tuple)):
        return "".join(_text(part) if not isinstance(part, str) else part for part in content)
    if isinstance(content, Mapping) and content.get("type", "text") == "text":
        text = content.get("content", content.get("text"))
        return text if isinstance(text, str) else ""
    return ""


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
