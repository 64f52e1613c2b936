"""Compares what was said with what a test expects, and shows the first place where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

Message = tuple[str, object]
"""Who spoke and the text: ``("user", "Hello!")``, ``("assistant", "…")``, or ``("tool", "its name")``."""

CONTEXT = 3
"""Messages to show before the first difference."""
_NONE: Message = ("", "nothing")


def first_difference(expected: Sequence[Message], recorded: Sequence[Message]) -> str | None:
    """The first message in which two conversations differ, with those before it. None if they are equal.

    :param expected: pairs of role and text. Either may be ``unittest.mock.ANY``.
    """
    for number, (wanted, found) in enumerate(zip_longest(expected, recorded, fillvalue=_NONE)):
        if tuple(wanted) != tuple(found):
            before = [f"            {_shown(message)}" for message in recorded[max(0, number - CONTEXT) : number]]
            lines = [*before, f"  expected: {_shown(wanted)}", f"  recorded: {_shown(found)}"]
            return "\n".join([f"the conversations differ at message {number + 1}:", *lines])
    return None


def _shown(message: Message) -> str:
    role, text = message
    return f"{role}: {text!r}" if role != "" else str(text)
