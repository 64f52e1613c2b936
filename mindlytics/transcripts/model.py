"""The content of a transcript: turns, function calls, feedback, and the problems in reading it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict, Union

from attrs import define, frozen

from ..pydantic_names import PydanticNames


@frozen
class Turn:
    """What the user said and what the assistant answered. Either may be empty.

    :param model: the model of the last text.
    :param prompt_tokens: tokens read by all model calls for the answer, including cached ones.
    :param completion_tokens: tokens written by them, including reasoning.
    :param cached_tokens: tokens read from a cache.
    :param cost: the cost of all these calls.
    :param assistant_id: the id of the assistant.
    :param properties: its other properties.
    """

    user: str
    assistant: str
    timestamp: datetime | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    assistant_id: str | None = None
    properties: Mapping[str, object] = {}


@define
class Call:
    """A function that the assistant called. ``result`` is filled in by the tool's message.

    :param runtime: its runtime in milliseconds.
    :param properties: its other properties.
    """

    name: str
    args: str | None = None
    result: str | None = None
    timestamp: datetime | None = None
    runtime: float | None = None
    properties: Mapping[str, object] = {}


@frozen
class Event:
    """An event of the application's own."""

    name: str
    properties: Mapping[str, object] = {}
    timestamp: datetime | None = None


Step = Union[Turn, Call, Event]


@frozen
class Feedback:
    """A rating of a turn, or of the whole conversation.

    :param name: its name in the file.
    :param value: as in the file: ``1``, ``"thumbs_down"``, ``4.5``.
    :param turn: the number of the turn, from 0. None: the whole conversation.
    :param more: other fields of it in the file: ``count``, ``tag``.
    """

    name: str
    value: object
    turn: int | None = None
    comment: str | None = None
    more: Mapping[str, object] = {}


class SessionArguments(TypedDict, total=False):
    """The arguments for ``create_session``."""

    session_id: str | None
    conversation_id: str | None
    user_id: str | None
    device_id: str | None
    attributes: Mapping[str, object] | None


@frozen(kw_only=True)
class Recorded:
    """What an export says of a conversation besides its steps, so that an import repeats it.

    :param session_began: where the line begins the session, when that was.
    :param session_ended: where the line ends the session, when that was.
    :param began: when the conversation began. None: the line has events outside of conversations.
    :param ended: when the conversation ended. None: it is open.
    :param properties: those of the conversation, and so are the ``attributes``.
    :param aliases: the user's other ids.
    :param traits: the user's traits.
    """

    session_began: datetime | None = None
    session_ended: datetime | None = None
    began: datetime | None = None
    ended: datetime | None = None
    properties: Mapping[str, object] = {}
    attributes: Mapping[str, object] = {}
    aliases: tuple[str, ...] = ()
    traits: Mapping[str, object] = {}


@frozen(kw_only=True)
class Transcript:
    """One conversation, read.

    :param line: the number of its line or record, from 1.
    :param session: the arguments for ``create_session``.
    :param steps: turns and calls in their order.
    :param began: the time of its beginning, if the file has one.
    :param ended: the last time in the file.
    :param feedback: ratings of it.
    :param where: its place in the file, in words.
    :param shape: the name of its format.
    :param recorded: what a line of an export says besides.
    """

    line: int
    session: SessionArguments
    steps: tuple[Step, ...]
    began: datetime | None = None
    ended: datetime | None = None
    feedback: tuple[Feedback, ...] = ()
    where: str = ""
    shape: str = ""
    recorded: Recorded | None = None

    @property
    def turns(self) -> int:
        """How many turns it holds."""
        return sum(isinstance(step, Turn) for step in self.steps)

    @property
    def calls(self) -> int:
        """How many function calls it holds."""
        return sum(isinstance(step, Call) for step in self.steps)


@frozen
class Problem(PydanticNames):
    """An unreadable part of a file, and why. The words quote an unknown role of one short word, and nothing else.

    :param where: its place in the file, such as ``line 4: messages[1]``.
    :param record: the place of its line, row or other record.
    """

    line: int
    reason: str
    where: str = ""
    record: str = ""

    def __str__(self) -> str:
        place = self.record or self.where
        return f"{place}: {self.reason}" if place and not self.reason.startswith(place) else self.reason
