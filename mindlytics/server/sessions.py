"""What an event does to its session and its conversation, and which events the server adds.

:func:`apply` is the whole of it: one valid event in, the stored events out, in order. Who a user is, is in
``users.py``; how records reach the file is in ``records.py``.

- A session begins with the first event that names it, a conversation likewise.
- The end of a session ends its open conversations. ``start_session`` reopens an ended session, ``Conversation Started``
  an ended conversation, unless it is older than the end. Any other late event is stored and reopens nothing. So an
  ended session never has an open conversation: one that a late event begins ends at once.
- Events may arrive in another order than that of their times. What follows from that is in ``timeline.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from ..errors import MISSING, InvalidEvent
from ..events import (
    Alias,
    ConversationFunction,
    ConversationTurn,
    ConversationUsage,
    CustomEvent,
    EndConversation,
    EndSession,
    Event,
    Identify,
    StartConversation,
    StartSession,
    TrackedEvent,
)
from ..usage import TokenBasedCost, Usage
from ..values import Scalar
from ..wire import properties_of
from .records import Conversation, Ending, Late, Records, Session, StoredEvent, User
from .schema import microseconds
from .timeline import CONVERSATION_ENDED, CONVERSATION_STARTED
from .users import UnknownUser, alias, identify, traits_json, user_of

SESSION_STARTED = "Session Started"
SESSION_ENDED = "Session Ended"
USER_IDENTIFIED = "User Identified"
USER_ALIASED = "User Aliased"
ML_ERROR = "MLError"

MAX_COUNT = 2**53
"""Tokens are counted up to here, where JSON numbers end to be exact; sums of such counts still fit into 64 bits."""


def apply(records: Records, scope: int, event: Event, *, message_index: int | None = None) -> list[StoredEvent]:
    """Take one event into the records; the stored events that came of it, the event itself included.

    :param message_index: the index of a turn's first message; default the next of the conversation.
    :raises InvalidEvent: it would begin a session and names neither a user nor a device.
    """
    step = _Step(records, scope, event)
    step.message_index = message_index
    _RULES[type(event)](step, event)
    return step.stored


class _Step:
    """One event on its way: the session it belongs to, and what was stored so far."""

    def __init__(self, records: Records, scope: int, event: Event) -> None:
        self.records = records
        self.scope = scope
        self.at = microseconds(event.timestamp)
        self.event_id = records.new_event_id()
        self.stored: list[StoredEvent] = []
        self.message_index: int | None = None
        session = records.session(scope, event.session_id)
        if session is None:
            session = self._begin_session(event)
        else:
            self.session = session
        self.begins = not isinstance(event, (EndSession, EndConversation))
        if self.begins and self.at < session.started_at:
            session.started_at = self.at

    def _begin_session(self, event: Event) -> Session:
        user = user_of(self.records, self.scope, _named_user(event), event.device_id)
        if user is None:
            raise InvalidEvent("user_id", "given, or else device_id, since the event begins a session", MISSING)
        self.session = Session(self.scope, event.session_id, user.user_id, event.device_id, self.at)
        self.records.add_session(self.session)
        if not isinstance(event, StartSession):
            self.store(SESSION_STARTED, generated=True)
        return self.session

    @property
    def user(self) -> User:
        """The user of the session."""
        return self.records.user(self.scope, self.session.user_id)

    def identify(self, name: str | None, device_id: str | None, traits: Mapping[str, Scalar] | None = None) -> None:
        """The session's user is the one of this name or device; if that is another, the session moves."""
        current = self.user
        user = identify(self.records, self.scope, name=name, device_id=device_id, traits=traits, current=current)
        if user is not current:
            self.records.move_session(self.session, user)

    def conversation(self, conversation_id: str, *, explicit: bool = False) -> Conversation:
        """The conversation of the session, begun where it is unknown."""
        conversation = self.records.conversation(self.scope, self.session.session_id, conversation_id)
        if conversation is not None:
            if self.begins and self.at < conversation.started_at:
                conversation.started_at = self.at
        else:
            conversation = Conversation(
                self.scope, self.session.session_id, conversation_id, self.session.user_id, self.at
            )
            self.records.add_conversation(conversation)
            self.session.open[conversation_id] = None
            if not explicit:
                self.store(CONVERSATION_STARTED, conversation=conversation, generated=True)
        return conversation

    def reopens(self, ended: Session | Conversation) -> bool:
        """Whether the start of what has ended begins it again: not if it came late, and is older than the end."""
        return ended.ended_at is None or self.at >= ended.ended_at

    def end(
        self,
        conversation: Conversation,
        properties: Mapping[str, Scalar] | None = None,
        *,
        generated: bool = False,
        at: int | None = None,
    ) -> None:
        """The conversation is over, and is to be analysed; a second end changes nothing.

        :param at: when, if not at the time of the event.
        """
        kind = StoredEvent
        if conversation.ended_at is None:
            kind = Ending
            conversation.ended_at = max(self.at, conversation.started_at, at or self.at)  # clocks may be set back
            self.session.open.pop(conversation.conversation_id, None)
        self.store(CONVERSATION_ENDED, properties, conversation=conversation, generated=generated, kind=kind, at=at)

    def end_open_conversations(self, at: int | None = None) -> None:
        """End each conversation that is open, with an event for each."""
        for conversation_id in list(self.session.open):
            conversation = self.conversation(conversation_id)
            self.end(conversation, generated=True, at=at)

    def store(
        self,
        name: str,
        properties: Mapping[str, Scalar] | None = None,
        *,
        conversation: Conversation | None = None,
        generated: bool = False,
        message_index: int | None = None,
        kind: type[StoredEvent] = StoredEvent,
        at: int | None = None,
    ) -> None:
        """Keep the event under this name, or one that the server adds because of it."""
        session = self.session
        session.event_count += 1
        self.records.changed(session)
        if conversation is not None:
            conversation.event_count += 1
            self.records.changed(conversation)
        stored = kind(
            self.scope,
            self.records.new_event_id() if generated else self.event_id,
            self.event_id if generated else None,
            session.session_id,
            conversation.conversation_id if conversation is not None else None,
            session.user_id,
            self.at if at is None else at,
            name,
            orjson.dumps(properties).decode() if properties else "{}",
            traits_json(self.user),
            message_index,
        )
        self.records.add_event(stored)
        self.stored.append(stored)


def _named_user(event: Event) -> str | None:
    """The id of the user with whom a session begins that this event starts."""
    if isinstance(event, StartSession):
        return event.id or event.user_id
    if event.user_id is None and event.device_id is None:
        if isinstance(event, Identify):
            return event.id
        if isinstance(event, Alias):
            return event.previous_id
    return event.user_id


def _start_session(step: _Step, event: StartSession) -> None:
    name = _named_user(event)
    if name is not None and step.user.anonymous:  # an event of the session came before its start
        step.identify(name, event.device_id)
    if step.reopens(step.session):
        step.session.ended_at = None
    step.session.attributes.update(event.attributes)
    step.store(SESSION_STARTED, event.attributes)


def _end_session(step: _Step, event: EndSession) -> None:
    step.end_open_conversations()
    session = step.session
    session.attributes.update(event.attributes)
    if session.ended_at is None:
        session.ended_at = max(step.at, session.started_at)
    step.store(SESSION_ENDED, event.attributes)


def _identify(step: _Step, event: Identify) -> None:
    step.identify(event.id, event.device_id, event.traits)
    step.store(USER_IDENTIFIED, {"id": event.id} if event.id is not None else None)


def _alias(step: _Step, event: Alias) -> None:
    problem = None
    try:
        alias(step.records, step.scope, name=event.id, previous=event.previous_id)
    except (UnknownUser, InvalidEvent) as error:
        problem = str(error)
    step.store(USER_ALIASED, {"id": event.id, "previous_id": event.previous_id})
    if problem is not None:
        step.store(ML_ERROR, {"error_message": problem}, generated=True)


def _start_conversation(step: _Step, event: StartConversation) -> None:
    conversation = step.conversation(event.conversation_id, explicit=True)
    if step.reopens(conversation):
        conversation.ended_at = None
        step.session.open[event.conversation_id] = None
    _merge(conversation, event)
    step.store(CONVERSATION_STARTED, {**(event.attributes or {}), **event.properties}, conversation=conversation)
    _close_late(step)


def _end_conversation(step: _Step, event: EndConversation) -> None:
    conversation = step.conversation(event.conversation_id)
    _merge(conversation, event)
    step.end(conversation, {**(event.attributes or {}), **event.properties})


def _track(step: _Step, event: TrackedEvent) -> None:
    conversation = step.conversation(event.conversation_id) if event.conversation_id is not None else None
    properties = properties_of(event)
    message_index = None
    kind = StoredEvent
    if conversation is not None:
        if conversation.ended_at is not None and not isinstance(event, CustomEvent):
            kind = Late
        if isinstance(event, ConversationTurn):
            messages = bool(event.user) + bool(event.assistant)
            message_index = step.message_index
            if message_index is None:
                message_index = step.records.index_of_turn(conversation, step.at, messages)
            conversation.message_count += messages
            conversation.turn_count += 1
        elif isinstance(event, ConversationFunction):
            conversation.function_count += 1
        usage = getattr(event, "usage", None)
        if usage is not None:
            _count_usage(conversation, usage)
    name = event.event
    assert name is not None
    step.store(name, properties, conversation=conversation, message_index=message_index, kind=kind)
    _close_late(step)


def _count_usage(conversation: Conversation, usage: Usage) -> None:
    if isinstance(usage, TokenBasedCost):
        conversation.prompt_tokens = min(conversation.prompt_tokens + usage.prompt_tokens, MAX_COUNT)
        conversation.completion_tokens = min(conversation.completion_tokens + usage.completion_tokens, MAX_COUNT)
    else:
        conversation.cost = (conversation.cost or 0.0) + usage.cost


def _merge(conversation: Conversation, event: StartConversation | EndConversation) -> None:
    conversation.properties.update(event.properties)
    conversation.attributes.update(event.attributes or {})


def _close_late(step: _Step) -> None:
    if step.session.ended_at is not None and step.session.open:
        step.end_open_conversations(max(step.at, step.session.ended_at))


_RULES: Mapping[type[Event], Callable[[_Step, Any], None]] = {
    StartSession: _start_session,
    EndSession: _end_session,
    Identify: _identify,
    Alias: _alias,
    StartConversation: _start_conversation,
    EndConversation: _end_conversation,
    CustomEvent: _track,
    ConversationTurn: _track,
    ConversationUsage: _track,
    ConversationFunction: _track,
}
