"""Records a conversation of this API for analysis, as turns and function calls of a Mindlytics session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..session import BaseSession
from ..session_state import Done
from ..transcripts import Transcript, chat, play
from . import types
from .types import Message
from .webhooks import MessageCreated


def record(session: BaseSession[Done, Any], messages: Iterable[Message | MessageCreated]) -> Done:
    """Record messages in a session, from its start to its end, with the times of the messages.

    A contact's words and the agent's next ones make a turn. A function call and its result make one function call.
    Other content is recorded by its transcript or its address. Thoughts are left out.

    :param session: from ``create_session`` of a client of either face, and unused so far.
    :param messages: in any order, or the webhook events that bring them. Of several with one id, the last wins.
    :returns: None, or an awaitable on the asyncio face. With ``on_full="block"``, await it to record everything.
    :raises InvalidEvent: a message breaks a rule of events.
    """
    each = (item.message if isinstance(item, MessageCreated) else item for item in messages)
    said = sorted({message.id: message for message in each}.values(), key=lambda message: message.created_at)
    began, ended = (said[0].created_at, said[-1].created_at) if said else (None, None)
    steps = chat(_lines(said))
    return play(session, Transcript(line=0, session={}, steps=steps, began=began, ended=ended))


def _lines(messages: Iterable[Message]) -> Iterable[dict[str, object]]:
    """The messages in the chat format of language-model APIs."""
    running: set[str] = set()
    for message in messages:
        content, at = message.content, message.created_at.isoformat()
        if isinstance(content, types.MessageContentFunctionCall):
            running.add(content.id)
            yield _call(content.id, content.name, content.input, at)
        elif isinstance(content, types.MessageContentFunctionResult):
            if content.id not in running:  # its call is missing
                yield _call(content.id, content.name, None, at)
            running.discard(content.id)
            yield {"role": "tool", "tool_call_id": content.id, "content": content.output, "timestamp": at}
        elif content.words:
            yield {"role": message.role, "content": content.words, "timestamp": at}


def _call(id: str, name: str, arguments: str | None, at: str) -> dict[str, object]:
    call = {"id": id, "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call], "timestamp": at}
