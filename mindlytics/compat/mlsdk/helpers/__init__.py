"""The names of ``mlsdk.helpers``: recorders for AI frameworks, a module for each."""

from __future__ import annotations

UNKNOWN = "unknown"
"""The model's name, where nobody tells it; 1 to 100 characters are needed."""


def text_of(content: str | list[str | dict[str, object]]) -> str:
    """What a message says: its content, or the texts among the blocks of it."""
    if isinstance(content, str):
        return content
    texts = [block if isinstance(block, str) else block.get("text") for block in content]
    return "".join(text for text in texts if isinstance(text, str))
