"""Typed rows of what is recorded: sessions, conversations, turns, function calls and other events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from attrs import frozen

from ..events import ConversationUsage
from ..values import Scalar, parse_timestamp
from .lines import MAX_COUNT, Line, Message, ToolCall


@frozen
class Row:
    """A row of a table."""


@frozen(kw_only=True)
class SessionRow(Row):
    """A session. Counts and sums are those of its conversations.

    :param ended_at: None while it is open.
    :param traits: the user's, as of now.
    """

    session_id: str
    user_id: str | None = None
    device_id: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    conversations: int = 0
    turns: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    attributes: Mapping[str, Scalar] = {}
    traits: Mapping[str, Scalar] = {}

    def _repr_html_(self) -> str:
        from .html import record  # noqa: PLC0415  for notebooks only

        return record(self)


@frozen(kw_only=True)
class ConversationRow(Row):
    """A conversation.

    :param ended_at: None while it is open.
    :param summary: one line by the analysis, and so is the ``sentiment``. None: it was not analysed.
    :param intents: how many intents the analysis found, and how many of them were ``fulfilled``.
    """

    session_id: str
    conversation_id: str
    user_id: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    turns: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    summary: str | None = None
    sentiment: str | None = None
    intents: int | None = None
    fulfilled: int | None = None
    properties: Mapping[str, Scalar] = {}
    attributes: Mapping[str, Scalar] = {}


@frozen(kw_only=True)
class TurnRow(Row):
    """What the user said and what the assistant answered. Either may be empty.

    :param number: its number in the conversation, from 1.
    """

    session_id: str
    conversation_id: str
    user_id: str | None = None
    number: int
    timestamp: datetime
    user: str
    assistant: str
    assistant_id: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    properties: Mapping[str, Scalar] = {}


@frozen(kw_only=True)
class CallRow(Row):
    """A function that the assistant called.

    :param runtime: in milliseconds.
    """

    session_id: str
    conversation_id: str
    user_id: str | None = None
    timestamp: datetime
    name: str
    args: str | None = None
    result: str | None = None
    runtime: float | None = None
    properties: Mapping[str, Scalar] = {}


@frozen(kw_only=True)
class EventRow(Row):
    """An event of the application's own, feedback included, or usage that belongs to no turn.

    :param conversation_id: None: it belongs to the session alone.
    """

    session_id: str
    conversation_id: str | None = None
    user_id: str | None = None
    timestamp: datetime
    event: str
    properties: Mapping[str, Scalar] = {}


TABLES: Mapping[str, type[Row]] = {
    "sessions": SessionRow,
    "conversations": ConversationRow,
    "turns": TurnRow,
    "calls": CallRow,
    "events": EventRow,
}
"""The kinds of rows, by the name of their table."""


def by_session(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines of one session after the other."""
    for _, group in groupby(lines, itemgetter("session_id")):
        yield list(group)


def rows_of(lines: Sequence[Line]) -> Iterator[Row]:
    """The rows of a session, which come to all tables. The session comes last."""
    first, sums = lines[0], _Sums()
    talks = 0
    for line in lines:
        mine = _Sums()
        for row in _steps(line):
            mine.add(row)
            yield row
        sums.add_all(mine)
        if "conversation_id" in line:
            talks += 1
            yield _conversation(line, mine)
    yield SessionRow(
        session_id=first["session_id"],
        user_id=first.get("user_id"),
        device_id=first.get("device_id"),
        started_at=parse_timestamp(first["session"]["timestamp"]),
        ended_at=_time(lines[-1]["session"].get("ended_at")),
        conversations=talks,
        turns=sums.turns,
        calls=sums.calls,
        prompt_tokens=sums.prompt_tokens,
        completion_tokens=sums.completion_tokens,
        cost=sums.cost,
        attributes=first.get("metadata", {}),
        traits=first.get("traits", {}),
    )


class _Sums:
    """What the steps of a conversation or session sum up to."""

    def __init__(self) -> None:
        self.turns = self.calls = self.prompt_tokens = self.completion_tokens = 0
        self.cost: float | None = None

    def add(self, row: Row) -> None:
        if isinstance(row, TurnRow):
            self.turns += 1
            self._use(row.prompt_tokens, row.completion_tokens, row.cost)
        elif isinstance(row, CallRow):
            self.calls += 1
        elif isinstance(row, EventRow) and row.event == ConversationUsage.event:
            found = row.properties
            self._use(found.get("prompt_tokens"), found.get("completion_tokens"), found.get("cost"))

    def _use(self, prompt: object, completion: object, cost: object) -> None:
        if type(prompt) is int and prompt > 0:
            self.prompt_tokens = min(self.prompt_tokens + prompt, MAX_COUNT)
        if type(completion) is int and completion > 0:
            self.completion_tokens = min(self.completion_tokens + completion, MAX_COUNT)
        if isinstance(cost, (int, float)):
            self.cost = (self.cost or 0.0) + cost

    def add_all(self, other: _Sums) -> None:
        self.turns += other.turns
        self.calls += other.calls
        self._use(other.prompt_tokens, other.completion_tokens, other.cost)


def _conversation(line: Line, sums: _Sums) -> ConversationRow:
    details, found = line.get("conversation", {}), line.get("analysis")
    intents = None if found is None else found.get("intents", [])
    return ConversationRow(
        session_id=line["session_id"],
        conversation_id=line["conversation_id"],
        user_id=line.get("user_id"),
        started_at=parse_timestamp(line["timestamp"]),
        ended_at=_time(line.get("ended_at")),
        turns=sums.turns,
        calls=sums.calls,
        prompt_tokens=sums.prompt_tokens,
        completion_tokens=sums.completion_tokens,
        cost=sums.cost,
        summary=None if found is None else found.get("summary"),
        sentiment=None if found is None else found.get("sentiment"),
        intents=None if intents is None else len(intents),
        fulfilled=None if intents is None else sum(intent["fulfilled"] for intent in intents),
        properties=details.get("properties", {}),
        attributes=details.get("attributes", {}),
    )


def _steps(line: Line) -> Iterator[TurnRow | CallRow | EventRow]:
    messages = line["messages"]
    results = {each["tool_call_id"]: each["content"] for each in messages if each["role"] == "tool"}
    asked = {each["turn"]: each["content"] or "" for each in messages if each["role"] == "user"}
    for message in messages:
        if message["role"] == "event":
            yield _event(line, message)
        elif message["role"] == "assistant":
            if "turn" in message:
                yield _turn(line, message, asked.get(message["turn"], ""))
            for call in message.get("tool_calls", []):
                yield _call(line, message, call, results.get(call["id"]))


def _turn(line: Line, message: Message, user: str) -> TurnRow:
    usage = message.get("usage", {})
    return TurnRow(
        session_id=line["session_id"],
        conversation_id=line["conversation_id"],
        user_id=line.get("user_id"),
        number=message["turn"],
        timestamp=parse_timestamp(message["timestamp"]),
        user=user,
        assistant=message["content"] or "",
        assistant_id=message.get("assistant_id"),
        model=message.get("model"),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        cached_tokens=usage.get("cached_tokens"),
        cost=message.get("cost"),
        properties=message.get("properties", {}),
    )


def _call(line: Line, message: Message, call: ToolCall, result: str | None) -> CallRow:
    function = call["function"]
    return CallRow(
        session_id=line["session_id"],
        conversation_id=line["conversation_id"],
        user_id=line.get("user_id"),
        timestamp=parse_timestamp(message["timestamp"]),
        name=function["name"],
        args=function.get("arguments"),
        result=result,
        runtime=call.get("runtime"),
        properties=call.get("properties", {}),
    )


def _event(line: Line, message: Message) -> EventRow:
    return EventRow(
        session_id=line["session_id"],
        conversation_id=line.get("conversation_id"),
        user_id=line.get("user_id"),
        timestamp=parse_timestamp(message["timestamp"]),
        event=message["name"],
        properties=message.get("properties", {}),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_timestamp(text)
