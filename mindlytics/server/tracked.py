"""Events of conversations and of the application in the store's form: checked, with their properties as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from ..events import ConversationFunction, ConversationTurn, CustomEvent, TrackedEvent
from ..usage import Cost
from ..wire import properties_of
from .schema import microseconds

TURN, FUNCTION, USAGE, CUSTOM = range(4)

MAX_COUNT = 2**53
"""The largest count of tokens, up to which JSON numbers are exact. Sums of such counts still fit into 64 bits."""


class Tracked(NamedTuple):
    """A turn, a function call, usage or a custom event.

    :param kind: which of these.
    :param at: its time, in the stored form.
    :param messages: for a turn, how many of its two texts have content.
    """

    kind: int
    session_id: str
    user_id: str | None
    device_id: str | None
    conversation_id: str | None
    at: int
    event: str
    properties: str
    messages: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None


def tracked(event: TrackedEvent) -> Tracked:
    """Make one from an event."""
    kind, messages = CUSTOM, 0
    if isinstance(event, ConversationTurn):
        kind, messages = TURN, bool(event.user) + bool(event.assistant)
    elif isinstance(event, ConversationFunction):
        kind = FUNCTION
    elif not isinstance(event, CustomEvent):
        kind = USAGE
    usage = getattr(event, "usage", None)
    name, properties = event.event, properties_of(event)
    tokens = (0, 0) if usage is None else tokens_of(properties)
    assert name is not None
    return Tracked(
        kind,
        event.session_id,
        event.user_id,
        event.device_id,
        event.conversation_id,
        microseconds(event.timestamp),
        name,
        orjson.dumps(properties).decode() if properties else "{}",
        messages,
        *tokens,
        usage.cost if isinstance(usage, Cost) else None,
    )


def tokens_of(properties: Mapping[str, object]) -> tuple[int, int]:
    """The tokens of the prompt and of the completion, which also count beside a cost."""
    if not (isinstance(properties.get("model"), str) and properties["model"]):
        return 0, 0
    prompt, completion = properties.get("prompt_tokens"), properties.get("completion_tokens")
    return _count(prompt), _count(completion)


def _count(value: object) -> int:
    return min(value, MAX_COUNT) if type(value) is int and value > 0 else 0
