"""What a transcript comes to: turns, function calls, feedback, and the problems on the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Union

from attrs import define, frozen


@frozen
class Turn:
    """What the user said and what the assistant answered; either may be empty.

    :param model: the model of the last text.
    :param prompt_tokens: tokens read by all model calls that led to the answer, cached ones included.
    :param completion_tokens: tokens written by them, those of reasoning included.
    :param cached_tokens: tokens of these that were read from a cache.
    :param cost: what they cost together.
    :param assistant_id: which assistant answered.
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


@define
class Call:
    """A function that the assistant called; ``result`` is filled in when the tool's message is met.

    :param runtime: how long it took, in milliseconds.
    """

    name: str
    args: str | None = None
    result: str | None = None
    timestamp: datetime | None = None
    runtime: float | None = None


Step = Union[Turn, Call]


@frozen
class Feedback:
    """What somebody thought of a turn, or of the whole conversation.

    :param name: what the file calls it.
    :param value: as the file has it: ``1``, ``"thumbs_down"``, ``4.5``.
    :param turn: the number of the turn, from 0; None: the whole conversation.
    :param more: what else the file says of it: ``count``, ``tag``.
    """

    name: str
    value: Any
    turn: int | None = None
    comment: str | None = None
    more: Mapping[str, Any] = {}


@frozen(kw_only=True)
class Transcript:
    """One conversation, read.

    :param line: the number of its line or record, from 1.
    :param session: the arguments of ``create_session`` that it comes to.
    :param steps: turns and calls in their order.
    :param began: the moment of its beginning, where one is given.
    :param ended: the last moment that is given.
    :param feedback: what was thought of it.
    :param where: its place in the file, in words.
    :param shape: the name of the format that it was read by.
    """

    line: int
    session: Mapping[str, Any]
    steps: tuple[Step, ...]
    began: datetime | None = None
    ended: datetime | None = None
    feedback: tuple[Feedback, ...] = ()
    where: str = ""
    shape: str = ""

    @property
    def turns(self) -> int:
        """How many turns it holds."""
        return sum(isinstance(step, Turn) for step in self.steps)

    @property
    def calls(self) -> int:
        """How many function calls it holds."""
        return len(self.steps) - self.turns


@frozen
class Problem:
    """A part of a file that cannot be read, and why, in words that do not quote it.

    :param where: its place in the file, such as ``line 4: messages[1]``.
    :param record: the place of the line, row or other record that it is in.
    """

    line: int
    reason: str
    where: str = ""
    record: str = ""

    def __str__(self) -> str:
        place = self.record or self.where
        return f"{place}: {self.reason}" if place else self.reason
