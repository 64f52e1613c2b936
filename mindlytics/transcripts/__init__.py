"""Transcripts: read from files in the formats that people have, and played into a session.

:func:`read` takes a file, a folder, lines, dicts or a table, and yields transcripts and problems. Nothing is sent or
printed here. The command that imports files is in ``cli/``.

- A user text and the assistant's next text make a turn. Texts of one role in a row are joined by a newline, whatever
  calls lie between them.
- A question without an answer, and an assistant text before any question, are turns with an empty other half.
- A function call comes where it happened: one before the assistant's (last) text of a turn comes before that turn.
- ``system`` and ``developer`` messages are not part of what was said.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._lazy import lazy
from .context import Context
from .model import Call, Event, Feedback, Problem, Recorded, Step, Transcript, Turn
from .playing import play
from .shapes import openai_chat
from .talk import Talk

if TYPE_CHECKING:
    from .documents import MAX_LINE
    from .reader import Summary, read
    from .recording import record

_HOMES = {"MAX_LINE": ".documents", "Summary": ".reader", "read": ".reader", "record": ".recording"}
"""Where names are that load more: all formats, or an HTTP library. They are loaded when they are asked for."""

__all__ = [
    "MAX_LINE",
    "Call",
    "Event",
    "Feedback",
    "Problem",
    "Recorded",
    "Step",
    "Summary",
    "Transcript",
    "Turn",
    "chat",
    "play",
    "read",
    "record",
]


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy(__name__, _HOMES)


def chat(messages: Iterable[object]) -> tuple[Step, ...]:
    """The turns and calls of messages that are read already.

    :raises InvalidEvent: a message breaks a rule of the format.
    """
    talk, context = Talk(), Context()
    for index, message in enumerate(messages):
        talk.take(openai_chat.message(f"messages[{index}]", message, context))
    return talk.finish()
