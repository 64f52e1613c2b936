"""What an event does to its session and its conversation, and which events the server adds.

:meth:`Run.take` applies one valid event, and adds what is stored to ``Records.written``. ``users.py`` finds users, and
``records.py`` writes records to the database.

- A session begins with the first event that names it, a conversation likewise.
- The end of a session ends its open conversations. ``start_session`` reopens an ended session, ``Conversation Started``
  an ended conversation, unless it is older than the end. Any other late event is stored and reopens nothing. So an
  ended session never has an open conversation: one that a late event begins ends at once.
- Events may arrive in another order than that of their times. What follows from that is in ``timeline.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from ..errors import MISSING, InvalidEvent
from ..events import (
    ML_ERROR,
    SESSION_ENDED,
    SESSION_STARTED,
    USER_ALIASED,
    USER_IDENTIFIED,
    Alias,
    EndConversation,
    EndSession,
    Event,
    Identify,
    StartConversation,
    StartSession,
)
from ..values import Scalar
from .decoding import RefusedEvent, Taken
from .kept_out import event_stays_out
from .records import Conversation, Records, Session, User
from .schema import microseconds
from .stored import Ending, Late, StoredEvent
from .tracked import CUSTOM, FUNCTION, MAX_COUNT, TURN, Tracked
from .users import UnknownUser, alias, identify, traits_json, user_of


def apply_all(records: Records, scope: int, events: Sequence[Taken]) -> list[StoredEvent]:
    """Apply events to the records, and return the stored events.

    :raises RefusedEvent: one would begin a session without a user or device.
    """
    runs = [list(run) for _, run in groupby(events, attrgetter("session_id"))]
    load(records, scope, [run[0] for run in runs])
    first = len(records.written)
    index = 0
    for events_of_one in runs:
        run = Run(records, scope, events_of_one[0].session_id)
        try:
            for event in events_of_one:
                if event_stays_out(records, scope, event):
                    run = Run(records, scope, event.session_id)  # what it knew may be deleted
                else:
                    run.take(event)
                index += 1
        except InvalidEvent as error:
            raise RefusedEvent(index, error) from error
    return records.written[first:]


def load(records: Records, scope: int, events: Sequence[Taken]) -> None:
    """Load the existing records for these events, all at once."""
    names = [_named_user(event) for event in events]
    devices = [event.device_id for event in events]
    sessions = [event.session_id for event in events]
    records.load(scope, sessions, filter(None, names), filter(None, devices))


def apply(records: Records, scope: int, event: Taken, *, message_index: int = -1) -> list[StoredEvent]:
    """Apply one event to the records, and return the stored events, including itself.

    :param message_index: the index of a turn's first message. Default: the next one of the conversation.
    :raises InvalidEvent: it would begin a session without a user or device.
    """
    first = len(records.written)
    if not event_stays_out(records, scope, event):
        Run(records, scope, event.session_id).take(event, message_index)
    return records.written[first:]


class _Entry(NamedTuple):
    """An event to be stored: the accepted one, or one that is ``generated`` because of it."""

    kind: type[StoredEvent]
    generated: bool
    name: str
    properties: str
    conversation: Conversation | None
    at: int
    message_index: int


class Run:
    """Events of one session, one after the other."""

    def __init__(self, records: Records, scope: int, session_id: str) -> None:
        self.records = records
        self.scope = scope
        self.session_id = session_id
        self._session = records.session(scope, session_id)
        self._entries: list[_Entry] = []
        self.at = 0

    def take(self, event: Taken, message_index: int = -1) -> None:
        """Apply one event."""
        if type(event) is Tracked:
            self._track(event, message_index)
            return
        assert isinstance(event, Event)
        self.at = microseconds(event.timestamp)
        self._enter(event, _named_user(event))
        for name in (event.id, event.user_id) if isinstance(event, StartSession) else (event.user_id,):
            if name is not None and name not in self.session.user.aliases:
                self.name(name, event.device_id)
        _RULES[type(event)](self, event)
        self._finish()

    def _enter(self, event: Taken, name: str | None) -> Session:
        """Start the session if it is new, or move its start if the event is earlier. Returns the session."""
        session = self._session
        if session is None:
            if isinstance(event, Identify) and self._had_device(event.device_id):
                name = name or event.id
            user = user_of(self.records, self.scope, name, event.device_id)
            if user is None:
                raise InvalidEvent("user_id", "given, or else device_id, since the event begins a session", MISSING)
            session = self.records.new_session(self.scope, self.session_id, user, event.device_id, self.at)
            self._session = session
            if not isinstance(event, StartSession):
                self.store(SESSION_STARTED, generated=True)
        elif self.at < session.started_at and not isinstance(event, (EndSession, EndConversation)):
            self.records.began_earlier(session, self.at)
        return session

    def _had_device(self, device_id: str | None) -> bool:
        """Whether a device is a named user's. If an identify begins a session there, it is not that user's."""
        owner = None if device_id is None else self.records.user_of_device(self.scope, device_id)
        return owner is not None and not owner.anonymous

    @property
    def session(self) -> Session:
        """The session, started if it is new."""
        assert self._session is not None
        return self._session

    def identify(self, name: str | None, device_id: str | None, traits: Mapping[str, Scalar] | None = None) -> None:
        """Set the session's user by this name or device. If the user differs, the session moves."""
        current: User = self.session.user
        self.session.user = identify(
            self.records, self.scope, name=name, device_id=device_id, traits=traits, current=current
        )
        if self.session.user is not current:
            self.records.note_named(self.session, current.user_id)

    def name(self, name: str, device_id: str | None) -> None:
        """The event names another user than the owner. An anonymous session is this user's from now on."""
        if self.session.user.anonymous:
            self.identify(name, device_id)
        else:
            self.records.note_named(self.session, name)

    def conversation(self, conversation_id: str, *, explicit: bool = False, begins: bool = True) -> Conversation:
        """The conversation of the session, started if it is new.

        :param begins: whether the event starts it, if it is the earliest one.
        """
        session = self.session
        conversation = self.records.conversation(session, conversation_id)
        if conversation is None:
            conversation = self.records.new_conversation(session, conversation_id, self.at)
            if not explicit:
                self.store(StartConversation.event, conversation=conversation, generated=True)
        elif begins and self.at < conversation.started_at:
            self.records.began_earlier(conversation, self.at)
        return conversation

    def reopens(self, ended: Session | Conversation) -> bool:
        """Whether a start restarts something that ended. A late start that is older than the end does not."""
        return ended.ended_at is None or self.at >= ended.ended_at

    def end(
        self,
        conversation: Conversation,
        properties: Mapping[str, Scalar] | None = None,
        *,
        generated: bool = False,
        at: int | None = None,
    ) -> None:
        """End the conversation, and note its analysis. A second end changes nothing.

        :param at: the time of the end. Default: that of the event.
        """
        kind = StoredEvent
        if conversation.ended_at is None:
            kind = Ending
            conversation.ended_at = max(self.at, conversation.started_at, at or self.at)  # clocks may be set back
        self.store(EndConversation.event, properties, conversation=conversation, generated=generated, kind=kind, at=at)

    def end_open_conversations(self, at: int | None = None) -> None:
        """End each conversation that is open, with an event for each."""
        for conversation in self.session.open:
            self.end(conversation, generated=True, at=at)

    def store(
        self,
        name: str,
        properties: Mapping[str, Scalar] | str | None = None,
        *,
        conversation: Conversation | None = None,
        generated: bool = False,
        message_index: int = -1,
        kind: type[StoredEvent] = StoredEvent,
        at: int | None = None,
    ) -> None:
        """Store the event under this name, or one that the server adds because of it."""
        if not isinstance(properties, str):
            properties = orjson.dumps(properties).decode() if properties else "{}"
        when = self.at if at is None else at
        self._entries.append(_Entry(kind, generated, name, properties, conversation, when, message_index))

    def _track(self, event: Tracked, message_index: int) -> None:
        kind, _, user_id, _, conversation_id, at, name, properties, messages, prompts, completions, cost = event
        self.at = at
        session = self._session
        if session is None or session.ended_at is not None or at < session.started_at:
            session = self._enter(event, user_id)
        if user_id is not None and user_id not in session.user.aliases:
            self.name(user_id, event.device_id)
        conversation, stored_as = None, StoredEvent
        if conversation_id is not None:
            conversation = session.conversations.get(conversation_id)
            if conversation is None or at < conversation.started_at:
                conversation = self.conversation(conversation_id)
            if conversation.ended_at is not None and kind != CUSTOM:
                stored_as = Late
            if kind == TURN:
                if message_index < 0:
                    message_index = self.records.index_of_turn(conversation, at, messages)
                conversation.message_count += messages
                conversation.turn_count += 1
            elif kind == FUNCTION:
                conversation.function_count += 1
            if prompts or completions:
                conversation.prompt_tokens = min(conversation.prompt_tokens + prompts, MAX_COUNT)
                conversation.completion_tokens = min(conversation.completion_tokens + completions, MAX_COUNT)
            if cost is not None:
                conversation.cost = (conversation.cost or 0.0) + cost
        if self._entries or session.ended_at is not None:  # it starts something, or came late
            self.store(name, properties, conversation=conversation, message_index=message_index, kind=stored_as)
            _close_late(self)
            self._finish()
        else:
            self._add(stored_as, self.records.number(), name, properties, conversation, at, message_index, -1)

    def _finish(self) -> None:
        """Number what is to be stored, in order."""
        entries = self._entries
        first = self.records.number(len(entries))
        own = first + [entry.generated for entry in entries].index(False)
        for number, (kind, generated, name, properties, conversation, at, index) in enumerate(entries, first):
            self._add(kind, number, name, properties, conversation, at, index, own if generated else -1)
        entries.clear()

    def _add(  # noqa: PLR0917  positional arguments are fastest
        self,
        kind: type[StoredEvent],
        number: int,
        name: str,
        properties: str,
        conversation: Conversation | None,
        at: int,
        message_index: int,
        origin: int,
    ) -> None:
        """Count an event, and store it under this number."""
        session, records = self.session, self.records
        user, ids = session.user, records.ids
        session.event_count += 1
        records.changed(session)
        place, conversation_id = -1, None
        if conversation is not None:
            conversation.event_count += 1
            records.changed(conversation)
            place, conversation_id = conversation.seq, conversation.conversation_id
        values = (
            number,
            self.scope,
            session.seq,
            place,
            origin,
            at,
            name,
            properties,
            traits_json(user) if user.traits else "",
            message_index,
            self.session_id,
            conversation_id,
            user.user_id,
            f"{ids}{number:016x}",
            None if origin < 0 else f"{ids}{origin:016x}",
        )
        records.written.append(tuple.__new__(kind, values))  # three times as fast as calling the class


def _named_user(event: Taken) -> str | None:
    """The id of the user for a session that this event starts."""
    if type(event) is Tracked:
        return event.user_id
    if isinstance(event, StartSession):
        return event.id or event.user_id
    if event.user_id is None and event.device_id is None:
        if isinstance(event, Identify):
            return event.id
        if isinstance(event, Alias):
            return event.previous_id
    return event.user_id


def _start_session(run: Run, event: StartSession) -> None:
    if run.reopens(run.session):
        run.session.ended_at = None
    run.session.attributes.update(event.attributes)
    run.store(SESSION_STARTED, event.attributes)


def _end_session(run: Run, event: EndSession) -> None:
    run.end_open_conversations()
    session = run.session
    session.attributes.update(event.attributes)
    if session.ended_at is None:
        session.ended_at = max(run.at, session.started_at)
    run.store(SESSION_ENDED, event.attributes)


def _identify(run: Run, event: Identify) -> None:
    run.identify(event.id, event.device_id, event.traits)
    run.store(USER_IDENTIFIED, {"id": event.id} if event.id is not None else None)


def _alias(run: Run, event: Alias) -> None:
    problem = None
    try:
        alias(run.records, run.scope, name=event.id, previous=event.previous_id)
    except (UnknownUser, InvalidEvent) as error:
        problem = str(error)
    for name in (event.id, event.previous_id):
        if name not in run.session.user.aliases:
            run.records.note_named(run.session, name)
    run.store(USER_ALIASED, {"id": event.id, "previous_id": event.previous_id})
    if problem is not None:
        run.store(ML_ERROR, {"error_message": problem}, generated=True)


def _start_conversation(run: Run, event: StartConversation) -> None:
    conversation = run.conversation(event.conversation_id, explicit=True)
    if run.reopens(conversation):
        conversation.ended_at = None
    _merge(conversation, event)
    run.store(StartConversation.event, {**(event.attributes or {}), **event.properties}, conversation=conversation)
    _close_late(run)


def _end_conversation(run: Run, event: EndConversation) -> None:
    conversation = run.conversation(event.conversation_id, begins=False)
    _merge(conversation, event)
    run.end(conversation, {**(event.attributes or {}), **event.properties})


def _merge(conversation: Conversation, event: StartConversation | EndConversation) -> None:
    conversation.properties.update(event.properties)
    conversation.attributes.update(event.attributes or {})


def _close_late(run: Run) -> None:
    if run.session.ended_at is not None and run.session.open:
        run.end_open_conversations(max(run.at, run.session.ended_at))


_RULES: Mapping[type[Event], Callable[[Run, Any], None]] = {
    StartSession: _start_session,
    EndSession: _end_session,
    Identify: _identify,
    Alias: _alias,
    StartConversation: _start_conversation,
    EndConversation: _end_conversation,
}
