"""A line of an export: one conversation as JSON, in the format that ``mindlytics import`` reads.

``server/export.py`` makes lines of what is stored, and ``rows.py`` makes rows of lines.
"""

from __future__ import annotations

from typing import TypedDict

from ..values import Scalar

Properties = dict[str, Scalar]

MAX_COUNT = 2**53
"""The largest count of tokens in a usage or a sum, up to which JSON numbers are exact."""


class Function(TypedDict, total=False):
    """What was called. ``arguments`` is missing if there were none."""

    name: str
    arguments: str


class ToolCall(TypedDict, total=False):
    """A function call, with its ``runtime`` in milliseconds."""

    id: str
    type: str
    function: Function
    runtime: float
    properties: Properties


class Usage(TypedDict, total=False):
    """The tokens of a turn."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class Message(TypedDict, total=False):
    """A text, a call, the result of a call, or an event (``name`` and ``properties``).

    Messages with the same ``turn`` are one turn. The assistant's has all but the user's text.
    """

    role: str
    content: str | None
    turn: int
    timestamp: str
    assistant_id: str
    model: str
    usage: Usage
    cost: float
    tool_calls: list[ToolCall]
    tool_call_id: str
    name: str
    properties: Properties


class Span(TypedDict, total=False):
    """When a session began, in its first line, and when it ended, in its last line."""

    timestamp: str
    ended_at: str


class Details(TypedDict, total=False):
    """The properties and attributes of a conversation."""

    properties: Properties
    attributes: Properties


class Intent(TypedDict):
    """Something that the user wanted."""

    intent: str
    fulfilled: bool
    summary: str | None
    sentiment: str | None


class Found(TypedDict, total=False):
    """What the analysis found. An import makes its own."""

    summary: str
    sentiment: str
    intents: list[Intent]


class Line(TypedDict, total=False):
    """A conversation, or what a session has outside of conversations. Such a line has no ``conversation_id``."""

    session_id: str
    conversation_id: str
    user_id: str
    device_id: str
    timestamp: str
    ended_at: str
    session: Span
    metadata: Properties
    aliases: list[str]
    traits: Properties
    conversation: Details
    analysis: Found
    messages: list[Message]
