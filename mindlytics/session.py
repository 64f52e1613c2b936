"""A session: every call that records something, written once for both faces.

A method checks its arguments, makes the fields of one event, and submits it. The faces, in ``client.py`` and
``aio.py``, decide what a call returns (None or an awaitable), and they wait and close. Queues and sockets belong
to ``pipeline/``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from os import urandom
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from .arguments import as_milliseconds, as_name, as_text, as_timestamp, checked_id, reports_missing
from .cleaning import clean_scalars
from .cleaning.numbers import whole_number
from .delivery.account import ENTRY_SIZE, Account, APIResponse, Reason
from .delivery.privacy import is_sampled
from .errors import MISSING, DeliveryError, InvalidEvent, OnError
from .events import (
    FEEDBACK,
    FEEDBACK_TYPES,
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
    trusted,
)
from .live.event import MLEvent
from .usage import Usage, UsageArgument, as_usage
from .validators import check_finite, check_milliseconds, check_name, check_text
from .values import UTC, Scalar, Timestamp, check_timestamp, plain_datetime, valid_text

if TYPE_CHECKING:
    from .base import Encode
    from .delivery.ledger import Ledger
    from .destinations import Mirror
    from .events import AnyEvent
    from .live.subscription import Listening
    from .settings import Settings

Done = TypeVar("Done")
"""What a call without a result returns: None, or an awaitable of it."""
Id = TypeVar("Id")
"""What a call that makes an id returns: a str, or an awaitable of it."""

T = TypeVar("T")

Properties = Mapping[str, object]
"""Names and values. A value that cannot become a string, number or boolean is left out with a warning."""
TURN_NAMES = ConversationTurn.own_properties
FUNCTION_NAMES = ConversationFunction.own_properties


def new_id() -> str:
    """A fresh id for a session, conversation or device: a uuid4, made three times as fast as by ``uuid``."""
    drawn = urandom(16).hex()
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{'89ab'[int(drawn[16], 16) % 4]}{drawn[17:20]}-{drawn[20:]}"


class Queue(Protocol):
    """What a session needs of a pipeline. What ``submit`` and ``reject`` return is the face's."""

    is_open: bool
    ledger: Ledger

    def submit(self, payload: bytes | AnyEvent, size: int, account: Account) -> Any: ...

    def reject(self, account: Account) -> Any: ...

    def count_dropped(self, account: Account, reason: Reason) -> None: ...

    def report_change(self, name: str, value: object, done: str) -> None: ...


class HasQueue(Protocol):
    """The client of a service."""

    @property
    def pipeline(self) -> Queue: ...


class SessionClient(HasQueue, Protocol):
    """What a session needs of its client."""

    settings: Settings
    is_closed: bool
    _origin: dict[str, str]

    @property
    def _services(self) -> Sequence[HasQueue]: ...

    def _mirrors(self, account: Account) -> Sequence[Mirror]: ...

    def _encoder(self) -> Encode | None: ...

    def _follow(
        self,
        session_id: str | None,
        since: Timestamp,
        on_event: Callable[[MLEvent], object] | None,
        on_error: OnError | None,
    ) -> Listening: ...


class MakesSessions(Protocol):
    """The client of a session, as a copy of the session sees it."""

    def create_session(self, **ids: str | None) -> object: ...


class BaseSession(Generic[Done, Id]):
    """A session. Its first event starts it, and :meth:`end_session` or the end of its ``with`` block ends it.

    A client's ``create_session`` makes it. You can reuse an ended session: it gets a new id, or starts again under the
    id that you gave it.
    """

    __slots__ = (
        "__weakref__",
        "_account",
        "_attributes",
        "_client",
        "_common",
        "_conversations",
        "_encode",
        "_ended",
        "_id_is_given",
        "_live",
        "_mirrors",
        "_on_event",
        "_origin",
        "_plain",
        "_sampled",
        "_unannounced",
        "_used",
    )

    def __init__(
        self,
        client: SessionClient,
        *,
        session_id: str | None = None,
        conversation_id: str | None = None,
        id: str | None = None,
        device_id: str | None = None,
        user_id: str | None = None,
        attributes: Properties | None = None,
        on_event: Callable[[MLEvent], object] | None = None,
        on_error: Callable[[DeliveryError], object] | None = None,
    ) -> None:
        self._client = client
        for name, handler in (("on_event", on_event), ("on_error", on_error)):
            if handler is not None and not callable(handler):
                raise InvalidEvent(name, "a function or None", handler)
        session_id, conversation_id = self._id("session_id", session_id), self._id("conversation_id", conversation_id)
        id, user_id, device_id = self._id("id", id), self._id("user_id", user_id), self._id("device_id", device_id)
        if id is not None and user_id is not None and id != user_id:
            raise InvalidEvent("user_id", "the same as id if both are given", user_id)
        self._id_is_given = session_id is not None
        user_id = user_id if id is None else id
        device_id = new_id() if user_id is None and device_id is None else device_id
        session_id = new_id() if session_id is None else session_id
        self._common = _present(session_id=session_id, user_id=user_id, device_id=device_id)
        self._conversations = [] if conversation_id is None else [conversation_id]
        self._origin: dict[str, str] = client._origin
        self._attributes = {**self._origin, **self._clean("attributes", attributes)}
        self._unannounced = bool(self._attributes)
        self._ended = False
        self._used = False
        self._plain = False  # whether events only need to be submitted, as all but the first do
        self._sampled = is_sampled(session_id, client.settings.sample_rate)
        self._account: Account = client.pipeline.ledger.open_account()
        self._account.on_error = on_error
        self._encode: Encode | None = None  # until the first event
        self._mirrors: Sequence[Mirror] = client._mirrors(self._account)
        self._on_event = on_event
        self._live: Listening | None = None  # the listener for its live events, once it has started

    @property
    def session_id(self) -> str:
        """The session's id: yours, or a uuid4. You may assign it, like :attr:`id` and :attr:`device_id`."""
        return self._common["session_id"]

    @session_id.setter
    def session_id(self, session_id: str) -> None:
        self._set_common("session_id", check_name("session_id", self._id("session_id", session_id)))
        self._sampled = is_sampled(self.session_id, self._client.settings.sample_rate)
        self._plain = self._plain and self._sampled

    @property
    def id(self) -> str | None:
        """The user's id, or None if it is unknown."""
        return self._common.get("user_id")

    @id.setter
    def id(self, user_id: str | None) -> None:
        self._set_common("user_id", self._id("id", user_id))

    @property
    def device_id(self) -> str | None:
        """The device's id. A session without user and device gets an anonymous one."""
        return self._common.get("device_id")

    @device_id.setter
    def device_id(self, device_id: str | None) -> None:
        self._set_common("device_id", self._id("device_id", device_id))

    def _set_common(self, name: str, value: str | None) -> None:
        """Change a field of all later events."""
        self._common = _present(**{**self._common, name: value})

    @property
    def conversation_id(self) -> str | None:
        """The current conversation: the latest one that is still open, or None."""
        return self._conversations[-1] if self._conversations else None

    @abstractmethod
    def _all(self, done: list[Done]) -> Done:
        """Combine the results of several calls into one."""

    @abstractmethod
    def _answer(self, done: Done, id: str) -> Id:
        """Return an id in the face's way."""

    # -- sessions and conversations ------------------------------------------------------------------------------

    def start_session(
        self,
        *,
        timestamp: Timestamp | None = None,
        user_id: str | None = None,
        device_id: str | None = None,
        attributes: Properties | None = None,
    ) -> Id:
        """Start the session explicitly, with a time, a user, a device or attributes of your own.

        :param timestamp: an ISO 8601 text or an aware datetime. Default: now.
        :param attributes: scalars by name. They are merged over those of ``create_session``.
        :returns: the session's id.
        :raises InvalidEvent: an argument breaks a rule.
        """
        if self._ended:
            self._reopen()
        user_id, device_id = self._id("user_id", user_id), self._id("device_id", device_id)
        attributes = {**self._attributes, **self._clean("attributes", attributes)}
        at = self._timestamp(timestamp)
        if user_id is not None:
            self.id = user_id
        if device_id is not None:
            self.device_id = device_id
        self._unannounced = False
        done = self._record(StartSession, _present(id=self.id, attributes=attributes), at)
        return self._answer(done, self.session_id)

    def end_session(self, *, timestamp: Timestamp | None = None, attributes: Properties | None = None) -> Done:
        """End the session and all its open conversations.

        :param timestamp: an ISO 8601 text or an aware datetime. Default: now.
        :param attributes: scalars by name. The service merges them over those of the start.
        :raises InvalidEvent: an argument breaks a rule.
        """
        if self._ended:
            return self._all([])
        attributes = {**self._origin, **self._clean("attributes", attributes)}
        done = self._record(EndSession, {"attributes": attributes}, timestamp)
        self._conversations.clear()
        self._ended = True
        if self._live is not None:
            self._live.subscription.ends_asked += 1
        return done

    def start_conversation(
        self,
        *,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
        properties: Properties | None = None,
        attributes: Properties | None = None,
    ) -> Id:
        """Start a conversation explicitly. It becomes the current one. A session may have several open at once.

        :param conversation_id: 1 to 100 characters. Default: a uuid4.
        :returns: the conversation's id.
        :raises InvalidEvent: an argument breaks a rule.
        """
        named = self._id("conversation_id", conversation_id)
        conversation_id = new_id() if named is None else named
        cleaned = None if attributes is None else self._clean("attributes", attributes)
        fields = _present(conversation_id=conversation_id, attributes=cleaned)
        done = self._record(StartConversation, fields, timestamp, self._clean("properties", properties))
        self._close(conversation_id)
        self._conversations.append(conversation_id)
        return self._answer(done, conversation_id)

    def end_conversation(
        self,
        *,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
        properties: Properties | None = None,
        attributes: Properties | None = None,
    ) -> Done:
        """End a conversation, so that the service analyses it. The one before it becomes the current one again.

        :param conversation_id: default: the current conversation.
        :raises InvalidEvent: an argument breaks a rule, or no conversation is open.
        """
        named = self._id("conversation_id", conversation_id)
        if named is None and not self._conversations:
            raise InvalidEvent("conversation_id", "given, since no conversation is open", MISSING)
        conversation_id = self._conversations[-1] if named is None else named
        cleaned = None if attributes is None else self._clean("attributes", attributes)
        fields = _present(conversation_id=conversation_id, attributes=cleaned)
        done = self._record(EndConversation, fields, timestamp, self._clean("properties", properties))
        self._close(conversation_id)
        return done

    # -- what happens in them ------------------------------------------------------------------------------------

    @reports_missing
    def track_event(
        self,
        *,
        event: str,
        properties: Properties | None = None,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done:
        """Record an event of your application's own.

        :param event: its name, 1 to 100 characters.
        :param properties: strings, numbers and booleans by name.
        :param conversation_id: default: the current conversation, if there is one.
        :raises InvalidEvent: an argument breaks a rule.
        """
        fields = {"event": check_name("event", as_name(event))}
        properties = {} if properties is None else self._clean("properties", properties)
        if conversation_id is not None:
            conversation_id = self._id("conversation_id", conversation_id)
        if conversation_id is None:
            conversation_id = self.conversation_id
        if conversation_id is not None:
            fields["conversation_id"] = conversation_id
        return self._record(CustomEvent, fields, timestamp, properties)

    @reports_missing
    def track_conversation_turn(
        self,
        *,
        user: str,
        assistant: str | None,
        assistant_id: str | None = None,
        usage: UsageArgument | None = None,
        cost: UsageArgument | None = None,
        properties: Properties | None = None,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done:
        """Record what the user said and what the assistant answered. Starts a conversation if none is open.

        :param user: the user's words.
        :param assistant: the assistant's words. Empty or None if it only called tools.
        :param assistant_id: the assistant's id, 1 to 100 characters.
        :param usage: a :class:`TokenBasedCost`, a :class:`Cost`, a number, or a mapping or an object of either shape.
        :param cost: another name of ``usage``.
        :param properties: strings, numbers and booleans by name.
        :param conversation_id: default: the current conversation.
        :raises InvalidEvent: an argument breaks a rule.
        """
        own = {"user": _text("user", user), "assistant": "" if assistant is None else _text("assistant", assistant)}
        if assistant_id is not None and (named := self._id("assistant_id", assistant_id)) is not None:
            own["assistant_id"] = named
        read = None if usage is cost is None else self._usage(usage, cost)
        properties = {} if properties is None else self._clean("properties", properties, TURN_NAMES)
        fields = {"conversation_id": self._conversation(conversation_id)}
        return self._record(ConversationTurn, fields, timestamp, properties, own, read)

    @overload
    def track_conversation_usage(
        self,
        *,
        usage: UsageArgument,
        properties: Properties | None = None,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done: ...

    @overload
    def track_conversation_usage(
        self,
        *,
        cost: UsageArgument,
        properties: Properties | None = None,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done: ...

    def track_conversation_usage(
        self,
        *,
        usage: UsageArgument | None = None,
        cost: UsageArgument | None = None,
        properties: Properties | None = None,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done:
        """Record tokens or money, to add to the conversation's cost.

        :param usage: a :class:`TokenBasedCost`, a :class:`Cost`, a number, or a mapping or an object of either shape.
        :param cost: another name of ``usage``; one of the two is required.
        :param conversation_id: default: the current conversation. One is started if none is open.
        :raises InvalidEvent: an argument breaks a rule.
        """
        read = self._usage(usage, cost)
        if read is None:
            raise InvalidEvent("usage", "given", MISSING)
        properties = self._clean("properties", properties)
        fields = {"conversation_id": self._conversation(conversation_id)}
        return self._record(ConversationUsage, fields, timestamp, properties, None, read)

    @reports_missing
    def track_function_call(
        self,
        *,
        name: str,
        args: object = None,
        result: object = None,
        runtime: float | timedelta = 0,
        properties: Properties | None = None,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done:
        """Record that the assistant called a function.

        :param name: the function's name, 1 to 100 characters.
        :param args: its arguments: a text, usually JSON, or a value that becomes JSON.
        :param result: its result, in the same forms.
        :param runtime: how long it took, in milliseconds or as a timedelta.
        :param conversation_id: default: the current conversation. One is started if none is open.
        :raises InvalidEvent: an argument breaks a rule.
        """
        report = self._client.pipeline.report_change
        own: dict[str, Scalar] = _present(
            name=check_name("name", as_name(name)),
            args=None if args is None else as_text("args", args, report),
            result=None if result is None else as_text("result", result, report),
            runtime=check_milliseconds("runtime", as_milliseconds(runtime)),
        )
        properties = {} if properties is None else self._clean("properties", properties, FUNCTION_NAMES)
        fields = {"conversation_id": self._conversation(conversation_id)}
        return self._record(ConversationFunction, fields, timestamp, properties, own)

    def track_feedback(
        self,
        feedback: str | None = None,
        *,
        turn: int | None = None,
        turn_id: str | None = None,
        value: float | None = None,
        comment: str | None = None,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done:
        """Record a rating of the session or of one turn, as a custom event named ``Feedback``.

        :param feedback: ``"thumbs_up"`` or ``"thumbs_down"``. You may omit it if you give a value or a comment.
        :param turn: the number of the turn in the session, from 1. Default: the whole session.
        :param turn_id: the turn's id, as integrations record it, instead of its number.
        :param value: a score on a scale of your own.
        :param comment: a remark by the person who rates.
        :param conversation_id: default: the current conversation, if there is one.
        :raises InvalidEvent: an argument breaks a rule.
        """
        is_left_out = feedback is None and not (value is None and comment is None)
        if not is_left_out and (not isinstance(feedback, str) or feedback not in FEEDBACK_TYPES):
            raise InvalidEvent("feedback", " or ".join(f'"{each}"' for each in FEEDBACK_TYPES), feedback)
        number = whole_number(turn)
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
            raise InvalidEvent("turn", "an int of at least 1, or None", number)
        return self.track_event(
            event=FEEDBACK,
            properties=_present(
                feedback=feedback,
                turn=number,
                turn_id=self._id("turn_id", turn_id),
                value=None if value is None else check_finite("value", value),
                comment=None if comment is None else _text("comment", comment),
            ),
            conversation_id=conversation_id,
            timestamp=timestamp,
        )

    # -- who it is -----------------------------------------------------------------------------------------------

    def user_identify(
        self,
        *,
        id: str | None = None,
        device_id: str | None = None,
        traits: Properties | None = None,
        timestamp: Timestamp | None = None,
    ) -> Done:
        """Record who the session's user is, or merge traits into the user's.

        :param id: the user's id, also for all later events. Default: the session's own ids.
        :param traits: strings, numbers and booleans by name.
        :raises InvalidEvent: an argument breaks a rule.
        """
        user_id, device_id = self._id("id", id), self._id("device_id", device_id)
        named = self.id if user_id is None and device_id is None else user_id
        fields = _present(id=named, traits=None if traits is None else self._clean("traits", traits))
        at = self._timestamp(timestamp)
        if device_id is not None:
            self.device_id = device_id
        done = self._record(Identify, fields, at)
        if user_id is not None:
            self.id = user_id
        return done

    @reports_missing
    def user_alias(self, *, id: str, previous_id: str, timestamp: Timestamp | None = None) -> Done:
        """Give the user a new id. The earlier ones stay as aliases.

        :param id: the new id, also for all later events.
        :param previous_id: the id under which the service knows the user.
        :raises InvalidEvent: an argument breaks a rule.
        """
        fields = {
            "id": check_name("id", self._id("id", id)),
            "previous_id": check_name("previous_id", self._id("previous_id", previous_id)),
        }
        done = self._record(Alias, fields, timestamp)
        self.id = fields["id"]
        return done

    # -- what became of it ---------------------------------------------------------------------------------------

    def has_errors(self) -> bool:
        """Whether events of this session were lost: refused by a service, or dropped."""
        return bool(self._account.errors) or any(mirror.account.errors for mirror in self._mirrors)

    def get_errors(self) -> list[APIResponse]:
        """The losses of this session, oldest first, at most the last 100 of each service."""
        places = zip(self._client._services, self._accounts(), strict=False)
        return [error for each, account in places for error in each.pipeline.ledger.errors(account)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'session_id', '(incomplete)')}>"

    def __reduce__(self) -> tuple[object, ...]:
        """A copy continues with the session's ids. It has its own account, and no handlers."""
        ids = {"session_id": self.session_id, "id": self.id, "device_id": self.device_id}
        if self._conversations:
            ids["conversation_id"] = self._conversations[0]
        state = {name: getattr(self, name) for name in _PROGRESS}
        return _gone_on, (self._client, ids, {**state, "_conversations": [*self._conversations]})

    # -- inside --------------------------------------------------------------------------------------------------

    def _record(  # noqa: PLR0917  positional arguments are fastest, here and in the next two
        self,
        event_type: type[Event],
        fields: Mapping[str, object],
        timestamp: Timestamp | None,
        properties: dict[str, Scalar] | None = None,
        own: Mapping[str, Scalar] | None = None,
        usage: Usage | None = None,
    ) -> Done:
        """Submit an event of checked values, none of which is None.

        :param own: the fields that are sent among the properties.
        """
        at = datetime.now(UTC) if timestamp is None else self._timestamp(timestamp)
        if self._origin and properties is not None:
            properties = {**self._origin, **properties}
        if self._ended:
            self._reopen()
        if not self._plain:
            return self._record_first(event_type, fields, at, properties, own, usage)
        if self._live is not None:
            self._live.subscription.reach_back(at)
        return self._submit(event_type, fields, at, properties, own, usage)

    def _record_first(  # noqa: PLR0917
        self,
        event_type: type[Event],
        fields: Mapping[str, object],
        at: Timestamp,
        properties: dict[str, Scalar] | None,
        own: Mapping[str, Scalar] | None,
        usage: Usage | None,
    ) -> Done:
        """Submit the first event of a session, after the session's start if that has attributes."""
        self._used = True
        if not self._sampled:
            self._client.pipeline.count_dropped(self._account, Reason.SAMPLED_OUT)
            return self._all([])
        self._plain = True
        self._encode = self._client._encoder()
        if self._on_event is not None:
            self._listen(at)
        done: list[Done] = []
        if self._unannounced:
            self._unannounced = False
            start = _present(id=self.id, attributes=self._attributes)
            done.append(self._submit(StartSession, start, at, None, None, None))
        done.append(self._submit(event_type, fields, at, properties, own, usage))
        return self._all(done) if len(done) > 1 else done[0]

    def _submit(  # noqa: PLR0917
        self,
        event_type: type[Event],
        fields: Mapping[str, object],
        at: Timestamp,
        properties: dict[str, Scalar] | None,
        own: Mapping[str, Scalar] | None,
        usage: Usage | None,
    ) -> Done:
        """Submit an event to the pipeline: encoded, unless ``before_send`` or a destination has to see it first."""
        client, account = self._client, self._account
        pipeline = client.pipeline
        is_closed = client.is_closed or not pipeline.is_open
        if self._encode is not None and not is_closed:
            try:
                data = self._encode(event_type, self._common, at, fields, properties, own, usage)
            except Exception:  # the sender reports it
                pass
            else:
                done: Done = pipeline.submit(data, len(data) + ENTRY_SIZE, account)
                return done
        event = trusted(event_type, {**self._common, "timestamp": at, **fields}, properties, own, usage)
        done = pipeline.reject(account) if is_closed else pipeline.submit(event, event.size, account)
        for mirror in self._mirrors:
            mirror.take(event, closed=client.is_closed)
        return done

    def _accounts(self) -> list[Account]:
        """The session's account at each of the client's services."""
        return [self._account, *(mirror.account for mirror in self._mirrors)]

    def _listen(self, since: Timestamp) -> None:
        """Start listening for the session's live events. A session restarted under its id keeps its listener."""
        if self._live is not None and self._live.subscription.serves(self.session_id):
            self._live.subscription.reach_back(since)
            return
        self._live = self._client._follow(self.session_id, since, self._on_event, self._account.on_error)
        if self._live is not None:
            self._live.start()

    def _is_to_see_its_end(self) -> bool:
        """Whether the session has ended, its events are delivered, and a listener waits for its end.

        Destinations are ignored, since they send no live events.
        """
        account = self._account
        return self._live is not None and self._ended and account.delivered > 0 and account.pending == 0

    def _reopen(self) -> None:
        """Reuse an ended session, under a new id, or again under the id that the caller gave."""
        self._ended = self._plain = False
        if self._id_is_given:
            self._unannounced = True
        else:
            self.session_id = new_id()

    def _conversation(self, value: object) -> str:
        """The conversation of that id. Without an id, the current one, which is started if none is open."""
        if value is not None and (conversation_id := self._id("conversation_id", value)) is not None:
            return conversation_id
        if not self._conversations:
            self._conversations.append(new_id())
        return self._conversations[-1]

    def _close(self, conversation_id: str) -> None:
        if conversation_id in self._conversations:
            self._conversations.remove(conversation_id)

    def _id(self, name: str, value: object) -> str | None:
        """Check an id, see :func:`~mindlytics.arguments.checked_id`."""
        return checked_id(name, value, self._client.pipeline.report_change)

    def _timestamp(self, value: Timestamp | None) -> Timestamp:
        at = as_timestamp(value, self._client.pipeline.report_change)
        check_timestamp("timestamp", at)
        return plain_datetime(at) if isinstance(at, datetime) and type(at) is not datetime else at

    def _usage(self, usage: object, cost: object) -> Usage | None:
        if usage is not None and cost is not None:
            raise InvalidEvent("cost", "left out if usage is given (it is another name of it)", cost)
        name, argument = ("usage", usage) if cost is None else ("cost", cost)
        return as_usage(argument, self._client.pipeline.report_change, name)

    def _clean(self, field: str, properties: Properties | None, own: tuple[str, ...] = ()) -> dict[str, Scalar]:
        """Scalars for an event. Changes are reported, or raised if the client is strict."""
        if properties is None:
            return {}
        cleaned = clean_scalars(field, properties, self._client.pipeline.report_change)
        for name in own:
            if name in cleaned:
                self._client.pipeline.report_change(
                    f"{field}.{name}", cleaned.pop(name), "left out: an argument's name"
                )
        return cleaned


def _text(name: str, value: object) -> str:
    """Check a text, and replace what UTF-8 cannot encode."""
    if type(value) is str and value.isascii():
        return value
    return valid_text(check_text(name, as_name(value)))


def _present(**fields: T | None) -> dict[str, T]:
    """Leave out the fields that are None."""
    return {name: value for name, value in fields.items() if value is not None}


_PROGRESS = ("_attributes", "_ended", "_id_is_given", "_unannounced", "_used")
"""The state of a session that a copy takes over, besides its conversations."""


def _gone_on(client: MakesSessions, ids: dict[str, str | None], state: dict[str, object]) -> object:
    session = client.create_session(**ids)
    for name, value in state.items():
        setattr(session, name, value)
    return session
