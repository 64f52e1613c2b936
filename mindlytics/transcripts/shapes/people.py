"""Chats of people, of whom one may be the assistant: all others are the user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen

from ..context import Context
from ..model import Feedback
from ..talk import Message, Said, Talk, with_attributes


@frozen
class Speech:
    """What somebody said.

    :param who: an id.
    :param name: the name of an assistant.
    """

    who: str
    name: str
    text: str
    at: datetime | None
    is_assistant: bool
    feedback: tuple[Feedback, ...] = ()


def talk_of(
    conversation_id: str | None, speeches: Sequence[Speech], context: Context, **attributes: object
) -> Iterator[Talk]:
    """The conversation, if the assistant speaks in it."""
    if not any(each.is_assistant for each in speeches):
        if speeches:
            context.leave("chats in which no assistant speaks")
            if context.options.assistant is None:
                context.leave("chats that may need --assistant NAME")
        return
    talk = Talk(conversation_id=conversation_id)
    people: list[str] = []
    for each in speeches:
        if each.is_assistant:
            talk.take(Message("assistant", (Said(each.text),), each.at, assistant_id=each.name, feedback=each.feedback))
        else:
            people += [each.who] if each.who not in people else []
            talk.take(Message("user", (Said(each.text),), each.at))
    talk.user_id = people[0] if people else None
    with_attributes(talk, attributes, {"participants": ",".join(people)} if len(people) > 1 else None)
    yield talk
