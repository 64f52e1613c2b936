"""Combines logs and traces, in which each request repeats the earlier messages, into conversations.

A shape makes an :class:`Exchange` of each request and its answer. An exchange that continues an earlier one belongs to
the same conversation, and repeated messages are dropped. Time and history decide the order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from attrs import Factory, define, evolve

from ..errors import InvalidEvent
from .context import Context, Record
from .fields import JsonObject, an_object
from .model import Feedback
from .shapes import GroupedShape
from .talk import Called, Message, Returned, Said, Talk


@define(eq=False)
class Exchange:
    """A request with all earlier messages, and its answer.

    :param answer: None if the request failed.
    :param conversation_id: the conversation, session or thread in the file, if it names one.
    :param id: otherwise the conversation's id, if this is its first exchange.
    :param began: the time of the request.
    :param ended: the time of the answer.
    """

    messages: list[Message]
    answer: list[Message] | None
    conversation_id: str | None = None
    id: str | None = None
    user_id: str | None = None
    began: datetime | None = None
    ended: datetime | None = None
    failed: Message | None = None
    attributes: JsonObject = Factory(dict)
    feedback: list[Feedback] = Factory(list)
    record: Record = Record(None)
    shape: str | None = None


def log_shape(
    name: str, detects: Callable[[object], bool], exchange_of: Callable[[JsonObject, Context], Exchange]
) -> GroupedShape:
    """The shape of logs with one exchange per record."""

    def group(record: object, context: Context) -> str:
        return _key(exchange_of(an_object("", record), Context(context.options)))

    def read(records: list[Record], context: Context) -> Iterator[Talk]:
        return talks_of(_exchanges(records, exchange_of, context), context)

    return GroupedShape(name, detects, read, group)


def _exchanges(
    records: Iterable[Record], exchange_of: Callable[[JsonObject, Context], Exchange], context: Context
) -> Iterator[Exchange]:
    for record in records:
        context.record = record
        with context.part():
            yield evolve(exchange_of(record.fields, context), record=record)


def _key(exchange: Exchange) -> str:
    """The key that all exchanges of a conversation share: its id, or its first message."""
    if exchange.conversation_id is not None:
        return f"id {exchange.conversation_id}"
    return f"said {_print(exchange.messages[0])}" if exchange.messages else "nothing"


def talks_of(exchanges: Iterable[Exchange], context: Context) -> Iterator[Talk]:
    """The conversations of exchanges with the same key, in the order of their first one."""
    ordered = sorted(exchanges, key=by_time)
    threads: list[_Thread] = []
    for index, exchange in enumerate(ordered):
        prints = [_print(message) for message in exchange.messages]
        if exchange.answer is None and any(
            [_print(message) for message in later.messages][: len(prints)] == prints for later in ordered[index + 1 :]
        ):
            context.leave("failed attempts that were repeated")
            continue
        thread = _continued(threads, exchange, prints)
        if thread is None:
            thread = _Thread(exchange)
            threads.append(thread)
        thread.add(exchange, prints)
    for thread in threads:
        yield from thread.talk(context)


def by_time(exchange: Exchange) -> tuple[bool, datetime | None]:
    """The key to sort exchanges by time. Those without one come last."""
    at = exchange.began or exchange.ended
    return at is None, at


@define(eq=False)
class _Thread:
    """Exchanges of one conversation."""

    first: Exchange
    said: list[str] = Factory(list)
    messages: list[Message] = Factory(list)
    exchanges: list[Exchange] = Factory(list)

    def add(self, exchange: Exchange, prints: list[str]) -> None:
        """Add the new messages of an exchange."""
        overlap = next(
            n for n in range(min(len(self.said), len(prints)), -1, -1) if self.said[len(self.said) - n :] == prints[:n]
        )
        for message in exchange.messages[overlap:]:
            self.messages.append(message if message.at else evolve(message, at=exchange.began or exchange.ended))
        self.said += prints[overlap:]
        at = exchange.ended or exchange.began
        if exchange.answer is None:
            self.messages.append(evolve(exchange.failed or Message("assistant"), failed=True, at=at))
        for message in exchange.answer or []:
            self.messages.append(message if message.at else evolve(message, at=at))
            self.said.append(_print(message))
        if exchange.feedback:
            last = self.messages[-1]
            self.messages[-1] = evolve(last, feedback=(*last.feedback, *exchange.feedback))
        self.exchanges.append(exchange)

    def talk(self, context: Context) -> Iterator[Talk]:
        """The conversation."""
        first = self.first
        talk = Talk(
            conversation_id=first.conversation_id or first.id,
            user_id=next((each.user_id for each in self.exchanges if each.user_id), None),
            began=first.began,
            shape=first.shape,
        )
        for each in self.exchanges:
            talk.attributes.update(each.attributes)
        context.record = first.record
        try:
            talk.take_all(self.messages)
        except InvalidEvent as error:
            context.report(error)
            return
        ends = [each.ended for each in self.exchanges if each.ended]
        talk.ended = max(ends) if ends else None
        yield talk


def _continued(threads: list[_Thread], exchange: Exchange, prints: list[str]) -> _Thread | None:
    """The thread that an exchange continues: the one of which it repeats most."""
    found = [each for each in threads if each.said and prints[: len(each.said)] == each.said]
    if found:
        return max(found, key=lambda each: len(each.said))
    if exchange.conversation_id is not None:
        return threads[-1] if threads else None
    return None


def _print(message: Message) -> str:
    """The key that two messages with the same content share."""
    parts: list[object] = [message.role]
    for item in message.items:
        if isinstance(item, Said):
            parts += [item.text] if item.text else []
        elif isinstance(item, Called):
            parts.append(["call", item.name, _canonical(item.args)])
        elif isinstance(item, Returned):
            parts.append(["result", item.text])
    return json.dumps(parts, ensure_ascii=True)


def _canonical(args: str | None) -> object:
    try:
        return json.loads(args or "null")
    except ValueError:
        return args
