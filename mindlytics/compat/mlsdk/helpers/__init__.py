"""The names of ``mlsdk.helpers``: recorders for AI frameworks, a module for each."""

from __future__ import annotations

from ....validators import MAX_NAME

UNKNOWN = "unknown"
"""The model's name, where nobody tells it."""


def name_of_model(told: object) -> str:
    """A model's name as a turn can have it: no more than 100 characters of it are kept."""
    return told[:MAX_NAME] if isinstance(told, str) and told else UNKNOWN


def text_of(content: str | list[str | dict[str, object]]) -> str:
    """What a message says: its content, or the texts among the blocks of it."""
    if isinstance(content, str):
        return content
    texts = [block if isinstance(block, str) else block.get("text") for block in content]
    return "".join(text for text in texts if isinstance(text, str))
