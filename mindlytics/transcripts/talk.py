"""Turns messages into the turns and function calls of a conversation.

A shape passes on one :class:`Message` after the other. Only the shapes know the formats of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar, Union

from attrs import define, evolve, field, frozen

from ..errors import InvalidEvent
from ..validators import MAX_NAME
from ..values import valid_text
from .fields import JsonObject
from .ids import fitting
from .model import Call, Event, Feedback, Recorded, Step, Turn


@define
class Said:
    """A text by the speaker."""

    text: str


@define
class Called:
    """The assistant calls a function."""

    name: str
    args: str | None = None
    id: str | None = None
    runtime: float | None = None
    properties: Mapping[str, object] = {}


@define
class Happened:
    """An event of the application's own."""

    name: str
    properties: Mapping[str, object] = {}


@define
class Returned:
    """What a function returned. Without an id, it answers the oldest open call of that name, or of any."""

    text: str | None
    id: str | None = None
    name: str | None = None
    runtime: float | None = None


Item = Union[Said, Called, Returned, Happened]


@frozen
class Usage:
    """The usage of model calls."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            _sum(self.prompt, other.prompt),
            _sum(self.completion, other.completion),
            _sum(self.cached, other.cached),
            _sum(self.cost, other.cost),
        )


NOTHING = Usage()
N = TypeVar("N", int, float)


def _sum(one: N | None, other: N | None) -> N | None:
    return other if one is None else one if other is None else one + other


@define
class Message:
    """One message, with its texts, calls and results in their order.

    :param role: ``user``, ``assistant``, ``tool``, ``system`` or ``event``.
    :param turn: the number of its turn. It counts in an export, which says which messages are a turn.
    :param properties: the other properties of its turn.
    :param failed: the assistant failed to answer.
    :param where: its place, for messages about problems.
    """

    role: str
    items: tuple[Item, ...] = ()
    at: datetime | None = None
    model: str | None = None
    usage: Usage = NOTHING
    assistant_id: str | None = None
    id: str | None = None
    feedback: tuple[Feedback, ...] = ()
    turn: int | None = None
    properties: Mapping[str, object] = {}
    failed: bool = False
    where: str = ""


@define(eq=False)
class Talk:
    """A conversation in the making.

    :param model: the model of turns whose messages lack one.
    :param began: the time of its beginning, if the file has one.
    """

    conversation_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    device_id: str | None = None
    model: str | None = None
    began: datetime | None = None
    ended: datetime | None = None
    attributes: JsonObject = field(factory=dict)
    feedback: list[Feedback] = field(factory=list)
    recorded: Recorded | None = None
    shape: str | None = None
    """The name of the format, if it differs from the reader's."""
    heard: int = 0
    """The number of messages by the user or the assistant."""
    turn_of: dict[str, int] = field(factory=dict)
    """The number of the turn of each message with an id, once the turn is complete."""

    _now: datetime | None = None
    _first: datetime | None = None
    _last: datetime | None = None
    _steps: list[Step] = field(factory=list)
    _turns: int = 0
    _user: list[str] = field(factory=list)
    _assistant: list[str] = field(factory=list)
    _said: datetime | None = None
    _later: list[Step] = field(factory=list)
    """Calls and events since the assistant's text. They follow its turn, unless it says more."""
    _open: list[tuple[str | None, Call]] = field(factory=list)
    _answered: set[str] = field(factory=set)
    _ids: list[str] = field(factory=list)
    _opinions: list[Feedback] = field(factory=list)
    _model_used: str | None = None
    _assistant_id: str | None = None
    _usage: Usage = NOTHING
    _properties: Mapping[str, object] = {}
    _failed: bool = False
    _number: int | None = None
    """The number of the turn, where the file has one."""

    def __attrs_post_init__(self) -> None:
        self._now = self.began

    def take(self, message: Message) -> None:
        """Take the next message.

        :raises InvalidEvent: it holds a result without a call.
        """
        at = message.at
        if at is not None:
            self._now = at
            if self._first is None or at < self._first:
                self._first = at
            if self._last is None or at > self._last:
                self._last = at
        if message.role == "system":
            return
        number = None if self.recorded is None else message.turn
        if number != self._number:
            self._end_turn()
            self._number = number
        if message.role == "assistant":
            self.heard += 1
            self._answer(message)
        else:
            self._hear(message)
        if message.id is not None:
            self._ids.append(message.id)
        if message.feedback:
            self._opinions += message.feedback

    def take_all(self, messages: Iterable[Message]) -> None:
        """Take messages, one after the other."""
        for message in messages:
            self.take(message)

    def finish(self) -> tuple[Step, ...]:
        """All steps, including the last turn."""
        self._end_turn()
        return tuple(self._steps)

    def span(self) -> tuple[datetime | None, datetime | None]:
        """When it began and ended, if known. The end is never before the beginning."""
        began = self.began or self._first
        ended = self.ended or self._last or began
        if began and ended and ended < began:
            began = min(self._first or ended, ended)
        return began, ended

    def _hear(self, message: Message) -> None:
        """Take a message of anyone but the assistant."""
        texts, is_result = [], False
        for item in message.items:
            if isinstance(item, Said):
                texts.append(item.text)
            elif isinstance(item, Returned):
                is_result = True
                self._return(message.where, item)
            elif isinstance(item, Happened):
                self._happen(item)
        if message.role == "user" and (any(texts) or not is_result):
            self.heard += 1
            if self._assistant or self._failed:
                self._end_turn()
            self._user.append("\n".join(texts))
            self._said = self._now

    def _answer(self, message: Message) -> None:
        said = False
        for item in message.items:
            if isinstance(item, Said):
                if item.text.strip() or self._number is not None:
                    said = True
                    self._steps += self._later
                    self._later.clear()
                    self._assistant.append(item.text)
                    self._said = self._now
            elif isinstance(item, Called):
                self._call(item)
            elif isinstance(item, Returned):
                self._return(message.where, item)
        if message.failed:
            self._said = self._now
        if message.model is not None and (said or not self._assistant):
            self._model_used = message.model
        if message.assistant_id is not None and said:
            self._assistant_id = message.assistant_id
        if message.usage is not NOTHING:
            self._usage += message.usage
        if message.properties:
            self._properties = {**self._properties, **message.properties}
        self._failed = message.failed

    def _end_turn(self) -> None:
        user, assistant = ("\n".join(filter(None, texts)) for texts in (self._user, self._assistant))
        if user or assistant or self._number is not None:
            usage, model = self._usage, self._model_used or self.model
            self._steps.append(
                Turn(
                    user,
                    assistant,
                    self._said,
                    None if model is None else valid_text(model),
                    usage.prompt,
                    usage.completion,
                    usage.cached,
                    usage.cost,
                    fitting(self._assistant_id),
                    self._properties,
                )
            )
            self.feedback += [evolve(each, turn=self._turns) for each in self._opinions]
            if self._ids:
                self.turn_of.update(dict.fromkeys(self._ids, self._turns))
            self._turns += 1
        self._steps += self._later
        for texts in (self._user, self._assistant, self._later, self._ids, self._opinions):
            texts.clear()
        self._model_used, self._assistant_id, self._usage, self._failed = None, None, NOTHING, False
        self._properties, self._number = {}, None

    def _call(self, item: Called) -> None:
        call = Call(valid_text(item.name[:MAX_NAME]), item.args, None, self._now, item.runtime, item.properties)
        (self._later if self._assistant else self._steps).append(call)
        self._open.append((item.id, call))

    def _happen(self, item: Happened) -> None:
        event = Event(item.name, item.properties, self._now)
        (self._later if self._assistant else self._steps).append(event)

    def _return(self, where: str, item: Returned) -> None:
        for index, (number, call) in enumerate(self._open):
            if number == item.id if item.id is not None else item.name in (None, call.name):
                del self._open[index]
                call.result = item.text
                call.runtime = item.runtime if call.runtime is None else call.runtime
                if number is not None:
                    self._answered.add(number)
                return
        if item.id is not None and item.id in self._answered:
            return  # only the first result of a call counts
        raise InvalidEvent(where or "a result", "that of a call before it that has no result yet", item.id)


def merged(parts: Iterable[Item], between: str) -> tuple[Item, ...]:
    """The items of a message, with adjacent texts joined."""
    found: list[Item] = []
    for part in parts:
        if isinstance(part, Said) and found and isinstance(found[-1], Said):
            found[-1] = Said(found[-1].text + between + part.text)
        else:
            found.append(part)
    return tuple(found)


def with_attributes(talk: Talk, *sources: Mapping[str, object] | None, without: Iterable[str] = ()) -> None:
    """Add a conversation's attributes from a file, except None."""
    for values in sources:
        talk.attributes.update(
            {name: value for name, value in (values or {}).items() if value is not None and name not in set(without)}
        )
