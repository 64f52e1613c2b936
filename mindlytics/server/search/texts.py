"""Which texts of events and users are searched."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from ...events import FEEDBACK, ConversationFunction, ConversationTurn
from .words import words_of

SEARCHED: Mapping[str, tuple[str, ...]] = {
    ConversationTurn.event: ("user", "assistant"),
    ConversationFunction.event: ("name", "args", "result"),
    FEEDBACK: ("comment",),
}
"""The properties that are searched, by the name of the event."""

KINDS: Mapping[str, str] = {
    ConversationTurn.event: "turn",
    ConversationFunction.event: "call",
    FEEDBACK: "feedback",
}
"""What results call these events."""


def words_of_event(event: str, properties: str) -> str | None:
    """The words of an event, with spaces between them. None: events of this name are not searched.

    :param properties: as they are stored, in JSON.
    """
    names = SEARCHED.get(event)
    if names is None:
        return None
    found = orjson.loads(properties)
    return " ".join(words_of(" ".join(found[name] for name in names if isinstance(found.get(name), str))))


def words_of_user(aliases: str, traits: str) -> str:
    """The words of a user's ids and traits, with spaces between them.

    :param aliases: the ids as they are stored, in JSON, and so are the ``traits``.
    """
    return " ".join(words_of(" ".join(texts_of_user(orjson.loads(aliases), orjson.loads(traits)))))


def texts_of_user(aliases: list[str], traits: Mapping[str, object]) -> list[str]:
    """The ids of a user, and the traits that are texts or numbers."""
    return aliases + [str(value) for value in traits.values() if not isinstance(value, bool) and value is not None]
