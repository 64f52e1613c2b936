"""Events of conversations and of the application in the store's form: checked, with their properties as JSON."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from ..events import ConversationFunction, ConversationTurn, CustomEvent, TrackedEvent
from ..usage import Cost, TokenBasedCost
from ..wire import properties_of
from .schema import microseconds

TURN, FUNCTION, USAGE, CUSTOM = range(4)


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
    tokens = (usage.prompt_tokens, usage.completion_tokens) if isinstance(usage, TokenBasedCost) else (0, 0)
    name, properties = event.event, properties_of(event)
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
