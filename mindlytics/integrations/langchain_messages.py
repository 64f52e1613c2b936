"""Reads the inputs and outputs of LangChain's runs: questions, answers, tool calls, tokens. Imports none of LangChain.

Messages come as objects, dicts, pairs or plain texts, alone, in lists, or in the program's own state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .fields import get, items_of, str_of
from .texts import as_json, text_of

HUMAN = frozenset({"human", "user", "HumanMessageChunk"})
ASSISTANT = frozenset({"ai", "assistant", "AIMessageChunk"})
TOOL = frozenset({"tool", "ToolMessageChunk"})

ASKED = ("input", "question", "query", "user_input", "prompt")
"""Usual names for the user's words in a chain's input."""
ANSWERED = ("output", "answer", "response", "result", "text")
"""Usual names for the assistant's words in a chain's output."""


class ToolCall(NamedTuple):
    """A tool call that a model asked for."""

    id: str
    name: str
    args: object


def kind_of(message: object) -> str:
    """Who speaks: ``human``, ``ai``, ``tool`` and so on. Empty for other objects than messages."""
    if isinstance(message, (list, tuple)):
        return message[0] if len(message) == 2 and isinstance(message[0], str) else ""
    if not hasattr(message, "content"):  # a mapping, or no message
        return str_of(get(message, "role")) or str_of(get(message, "type")) if isinstance(message, Mapping) else ""
    kind = str_of(getattr(message, "type", None))  # a pydantic model looks long for a name that it lacks: this is first
    return str_of(get(message, "role")) if kind in ("", "chat") else kind


def said_by(message: object) -> str:
    """The text of a message."""
    return text_of(message[1] if isinstance(message, (list, tuple)) else get(message, "content"))


def messages_in(value: object) -> Sequence[object]:
    """The messages of an input, an output or a state."""
    held = None if isinstance(value, (list, tuple)) or hasattr(value, "content") else get(value, "messages")
    if held is not None and not callable(held):
        value = held
    if isinstance(value, (list, tuple)) and not (isinstance(value, tuple) and kind_of(value)):
        return value if all(map(kind_of, value)) else ()
    return (value,) if kind_of(value) else ()


def question_in(value: object) -> str | None:
    """The user's last words in the input of a chain, a graph or a model."""
    if isinstance(value, str):
        return value or None
    messages = messages_in(value)
    if messages:
        return next((said_by(each) for each in reversed(messages) if kind_of(each) in HUMAN), None)
    return _named(value, ASKED, question_in)


def answer_in(value: object) -> str | None:
    """The last words of a chain, a graph or a model."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, Mapping) and value.get("structured_response") is not None:
        return as_json(value["structured_response"])
    messages = messages_in(value)
    if messages:
        last = messages[-1]
        return said_by(last) or None if kind_of(last) in ASSISTANT | TOOL else None
    found = _named(value, ANSWERED, answer_in)
    if found is not None or value is None or isinstance(value, (Mapping, list, tuple)):
        return found
    return as_json(value) if hasattr(value, "model_dump") else None


def speaker_in(messages: Sequence[object]) -> str | None:
    """The name of the agent that spoke last, if its messages bear it."""
    return str_of(get(messages[-1], "name")) or None if messages and kind_of(messages[-1]) in ASSISTANT else None


def _named(value: object, names: Sequence[str], read: Callable[[object], str | None]) -> str | None:
    if not isinstance(value, Mapping):
        return None
    for name in names:
        if value.get(name) is not None:
            return read(value[name])
    only = next(iter(value.values())) if len(value) == 1 else None
    return only or None if isinstance(only, str) else None


def calls_of(message: object) -> list[ToolCall]:
    """The calls of tools that a message asks for."""
    asked = items_of(get(message, "tool_calls"))
    return [ToolCall(str_of(get(each, "id")), str_of(get(each, "name")), get(each, "args")) for each in asked]


def results_in(messages: Sequence[object]) -> Iterator[tuple[str, object]]:
    """The tools' results among the messages: pairs of the call's id and the message."""
    for message in messages:
        if kind_of(message) in TOOL:
            yield str(get(message, "tool_call_id")), message


def is_failed(message: object) -> bool:
    """Whether a tool's result reports a failure."""
    return bool(get(message, "status") == "error")


def model_named(*places: object) -> str | None:
    """The model's name, from a run or its reply. The first place that has one wins."""
    for place in places:
        if place and isinstance(place, Mapping):
            for name in ("model_name", "model", "model_id", "ls_model_name"):
                if isinstance(place.get(name), str) and place[name]:
                    return str(place[name])
    return None


def usage_in(message: object, output: object) -> dict[str, int] | None:
    """The tokens of one reply, under LangChain's names, or None if the model does not count them."""
    counted = get(message, "usage_metadata")
    if not isinstance(counted, Mapping):
        counted = get(output, "token_usage") or get(output, "usage")
    return dict(counted) if isinstance(counted, Mapping) and counted else None
