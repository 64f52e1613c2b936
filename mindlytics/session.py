"""One person's time with an assistant: every call that records something, written once for both faces.

A method checks its arguments, makes the fields of one event of them, and submits that. What submitting hands back
(nothing, or something to await) is the face's, in ``client.py`` and ``aio.py``; so are waiting and leaving. Nothing
here knows of queues or sockets.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from os import urandom
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .arguments import as_id, as_milliseconds, as_name, as_text, as_timestamp, reports_missing
from .cleaning import clean_scalars
from .cleaning.numbers import whole_number
from .delivery.ledger import ENTRY_SIZE, Account, APIResponse, Reason
from .delivery.privacy import is_sampled
from .errors import MISSING, DeliveryError, InvalidEvent
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
    from .destinations import Mirror

Done = TypeVar("Done")
"""What a call hands back that has no result: None, or an awaitable of it."""
Id = TypeVar("Id")
"""What a call hands back that has an id for a result: a str, or an awaitable of it."""

Properties = Mapping[str, Any]
"""Names and values; what no string, number or boolean can be made of is left out with a warning."""
TURN_NAMES = ConversationTurn.own_properties
FUNCTION_NAMES = ConversationFunction.own_properties


def new_id() -> str:
    """A fresh id for a session, conversation or device: a uuid4, made in a third of the time that ``uuid`` takes."""
    drawn = urandom(16).hex()
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{'89ab'[int(drawn[16], 16) % 4]}{drawn[17:20]}-{drawn[20:]}"


class BaseSession(Generic[Done, Id]):
    """A session, begun by its first event and ended by :meth:`end_session` or by leaving its ``with`` block.

    Made by ``create_session`` of a client. After its end it can be used again: for a session of a new id, or, where the
    id was given, for the same one started anew.
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
        client: Any,
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
            raise InvalidEvent("user_id", "the same as id, where both are given", user_id)
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
        self._plain = False  # nothing is to be done but to submit: so it is for all events but the first
        self._sampled = is_sampled(session_id, client.settings.sample_rate)
        self._account: Account = client.pipeline.ledger.open_account()
        self._account.on_error = on_error
        self._encode: Encode | None = None  # until the first event
        self._mirrors: Sequence[Mirror] = client._mirrors(self._account)
        self._on_event = on_event
        self._live: Any = None  # what listens for the session's live events, once it has begun

    @property
    def session_id(self) -> str:
        """The session's id: the one given, or a uuid4. This and the two that follow may be set."""
        session_id: str = self._common["session_id"]
        return session_id

    @session_id.setter
    def session_id(self, given: str) -> None:
        self._set_common("session_id", check_name("session_id", self._id("session_id", given)))
        self._sampled = is_sampled(self.session_id, self._client.settings.sample_rate)
        self._plain = self._plain and self._sampled

    @property
    def id(self) -> str | None:
        """The user's id, as far as it is known."""
        return self._common.get("user_id")

    @id.setter
    def id(self, given: str | None) -> None:
        self._set_common("user_id", self._id("id", given))

    @property
    def device_id(self) -> str | None:
        """The device's id; made up where the session was given neither user nor device."""
        return self._common.get("device_id")

    @device_id.setter
    def device_id(self, given: str | None) -> None:
        self._set_common("device_id", self._id("device_id", given))

    def _set_common(self, name: str, value: str | None) -> None:
        """Change a field that all events from now on have."""
        self._common = _present(**{**self._common, name: value})

    @property
    def conversation_id(self) -> str | None:
        """The current conversation: the one begun last that has not ended, or None."""
        return self._conversations[-1] if self._conversations else None

    @abstractmethod
    def _all(self, done: list[Any]) -> Done:
        """What several calls handed back, as one."""

    @abstractmethod
    def _answer(self, done: Done, id: str) -> Id:
        """The id, handed back in the face's way."""

    # -- sessions and conversations ------------------------------------------------------------------------------

    def start_session(
        self,
        *,
        timestamp: Timestamp | None = None,
        user_id: str | None = None,
        device_id: str | None = None,
        attributes: Properties | None = None,
    ) -> Id:
        """Begin the session explicitly, with a time, a user, a device or attributes of your own.

        :param timestamp: an ISO 8601 text or an aware datetime; default now.
        :param attributes: scalars; merged over those given to ``create_session``.
        :returns: the session's id.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
        """
        if self._ended:
            self._reopen()
        user_id, device_id = self._id("user_id", user_id), self._id("device_id", device_id)
        attributes = {**self._attributes, **self._clean("attributes", attributes)}
        at = self._moment(timestamp)
        if user_id is not None:
            self.id = user_id
        if device_id is not None:
            self.device_id = device_id
        self._unannounced = False
        done = self._record(StartSession, _present(id=self.id, attributes=attributes), at)
        return self._answer(done, self.session_id)

    def end_session(self, *, timestamp: Timestamp | None = None, attributes: Properties | None = None) -> Done:
        """End the session, and with it every conversation of it that is still open.

        :param timestamp: an ISO 8601 text or an aware datetime; default now.
        :param attributes: scalars; the service merges them over those given at the start.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
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
        """Begin a conversation explicitly; it becomes the current one. A session may hold several at once.

        :param conversation_id: 1 to 100 characters; default a uuid4.
        :returns: the conversation's id.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
        """
        given = self._id("conversation_id", conversation_id)
        conversation_id = new_id() if given is None else given
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
        """End a conversation, so that the service analyses it. The one begun before it becomes the current one again.

        :param conversation_id: default the current conversation.
        :raises InvalidEvent: an argument breaks a rule, or no conversation is open; nothing was queued.
        """
        given = self._id("conversation_id", conversation_id)
        if given is None and not self._conversations:
            raise InvalidEvent("conversation_id", "given, since no conversation is open", MISSING)
        conversation_id = self._conversations[-1] if given is None else given
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
        """Record an event that means something to your application.

        :param event: its name, 1 to 100 characters.
        :param properties: strings, numbers and booleans by name.
        :param conversation_id: default the current conversation, if there is one.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
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
        """Record what the user said and what the assistant answered. Begins a conversation where none is open.

        :param user: the user's words.
        :param assistant: the assistant's; empty or None where there was no answer, as in a call of tools.
        :param assistant_id: which assistant, 1 to 100 characters.
        :param usage: a :class:`TokenBasedCost`, a :class:`Cost`, a number, or a mapping or an object of either shape.
        :param cost: another name of ``usage``.
        :param properties: strings, numbers and booleans by name.
        :param conversation_id: default the current conversation.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
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
        """Record tokens or money, to be added to what the conversation cost so far.

        :param usage: a :class:`TokenBasedCost`, a :class:`Cost`, a number, or a mapping or an object of either shape.
        :param cost: another name of ``usage``; one of the two is required.
        :param conversation_id: default the current conversation; one is begun where none is open.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
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

        :param name: the function's, 1 to 100 characters.
        :param args: its arguments: text, mostly JSON, or what JSON is made of.
        :param result: its result, likewise.
        :param runtime: how long it took, in milliseconds or as a timedelta.
        :param conversation_id: default the current conversation; one is begun where none is open.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
        """
        report = self._client.pipeline.report_change
        own = _present(
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
        """Record what somebody thought of the session, or of one turn: a custom event named ``Feedback``.

        :param feedback: ``"thumbs_up"`` or ``"thumbs_down"``. It may be left out where there is a value or a comment.
        :param turn: the number of the turn in the session, from 1; default the session as a whole.
        :param turn_id: the turn's id, as integrations record it, instead of its number.
        :param value: a score, of whatever scale.
        :param comment: what somebody said of it.
        :param conversation_id: default the current conversation, if there is one.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
        """
        is_left_out = feedback is None and not (value is None and comment is None)
        if not is_left_out and (not isinstance(feedback, str) or feedback not in FEEDBACK_TYPES):
            raise InvalidEvent("feedback", " or ".join(f'"{each}"' for each in FEEDBACK_TYPES), feedback)
        turn = whole_number(turn)
        if turn is not None and (not isinstance(turn, int) or isinstance(turn, bool) or turn < 1):
            raise InvalidEvent("turn", "an int of at least 1, or None", turn)
        return self.track_event(
            event=FEEDBACK,
            properties=_present(
                feedback=feedback,
                turn=turn,
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
        """Say who the session's user is, or merge traits into the user's.

        :param id: the user's id; from here on the session's. With neither id nor device, the session's own are meant.
        :param traits: strings, numbers and booleans by name.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
        """
        user_id, device_id = self._id("id", id), self._id("device_id", device_id)
        named = self.id if user_id is None and device_id is None else user_id
        fields = _present(id=named, traits=None if traits is None else self._clean("traits", traits))
        at = self._moment(timestamp)
        if device_id is not None:
            self.device_id = device_id
        done = self._record(Identify, fields, at)
        if user_id is not None:
            self.id = user_id
        return done

    @reports_missing
    def user_alias(self, *, id: str, previous_id: str, timestamp: Timestamp | None = None) -> Done:
        """Give the user a new id; the earlier ones stay as aliases.

        :param id: the new id; from here on the session's.
        :param previous_id: the id under which the user is known.
        :raises InvalidEvent: an argument breaks a rule; nothing was queued.
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
        """Whether events of this session were lost (refused by a service, or dropped)."""
        return bool(self._account.errors) or any(mirror.account.errors for mirror in self._mirrors)

    def get_errors(self) -> list[APIResponse]:
        """What went wrong with events of this session, oldest first; at most the last 100 of each service."""
        places = zip(self._client.services, self._accounts(), strict=False)
        return [error for each, account in places for error in each.pipeline.ledger.errors(account)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'session_id', 'that was not made')}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy goes on with the session's ids. It has no handlers, and an account of its own."""
        ids = {"session_id": self.session_id, "id": self.id, "device_id": self.device_id}
        if self._conversations:
            ids["conversation_id"] = self._conversations[0]
        state = {name: getattr(self, name) for name in _PROGRESS}
        return _gone_on, (self._client, ids, {**state, "_conversations": [*self._conversations]})

    # -- inside --------------------------------------------------------------------------------------------------

    def _record(  # noqa: PLR0917  this and the two that follow: the quickest way to call them
        self,
        event_type: type[Event],
        fields: dict[str, Any],
        timestamp: Timestamp | None,
        properties: dict[str, Scalar] | None = None,
        own: dict[str, Any] | None = None,
        usage: Usage | None = None,
    ) -> Done:
        """Submit an event of what a call was given: checked, and nothing of it None.

        :param own: the fields that travel among the properties.
        """
        at = datetime.now(UTC) if timestamp is None else self._moment(timestamp)
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
        fields: dict[str, Any],
        at: Timestamp,
        properties: dict[str, Scalar] | None,
        own: dict[str, Any] | None,
        usage: Usage | None,
    ) -> Done:
        """The same for the first event of a session: its start goes before it, where that has to be said."""
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
        fields: dict[str, Any],
        at: Timestamp,
        properties: dict[str, Scalar] | None,
        own: dict[str, Any] | None,
        usage: Usage | None,
    ) -> Done:
        """Hand an event to the pipeline: encoded, where nothing of the program's is to see it before."""
        client, account = self._client, self._account
        pipeline = client.pipeline
        is_closed = client.is_closed or not pipeline.is_open
        if self._encode is not None and not is_closed:
            try:
                data = self._encode(event_type, self._common, at, fields, properties, own, usage)
            except Exception:  # it is for the sender to say so
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
        """Begin to listen for the session's live events; one that began anew under its id goes on with what it has."""
        if self._live is not None and self._live.subscription.serves(self.session_id):
            self._live.subscription.reach_back(since)
            return
        self._live = self._client._follow(self.session_id, since, self._on_event, self._account.on_error)
        if self._live is not None:
            self._live.start()

    def _is_to_see_its_end(self) -> bool:
        """Whether this was the last flush of a session whose live events somebody listens to, and its end arrived.

        That a destination has it, or has it not, says nothing of that.
        """
        account = self._account
        return self._live is not None and self._ended and account.delivered > 0 and account.pending == 0

    def _reopen(self) -> None:
        """After its end, a session is used again: under a new id, or under the given one, started anew."""
        self._ended = self._plain = False
        if self._id_is_given:
            self._unannounced = True
        else:
            self.session_id = new_id()

    def _conversation(self, given: object) -> str:
        """The conversation of that id; without one, the current one, begun now where none is open."""
        if given is not None and (conversation_id := self._id("conversation_id", given)) is not None:
            return conversation_id
        if not self._conversations:
            self._conversations.append(new_id())
        return self._conversations[-1]

    def _close(self, conversation_id: str) -> None:
        if conversation_id in self._conversations:
            self._conversations.remove(conversation_id)

    def _id(self, name: str, given: object) -> str | None:
        """An id, see :func:`~mindlytics.arguments.as_id`; None where there is none."""
        text = as_id(name, given, self._client.pipeline.report_change)
        return None if text is None else check_name(name, text)

    def _moment(self, given: Timestamp | None) -> Timestamp:
        at = as_timestamp(given, self._client.pipeline.report_change)
        check_timestamp("timestamp", at)
        return plain_datetime(at) if isinstance(at, datetime) and type(at) is not datetime else at

    def _usage(self, usage: object, cost: object) -> Usage | None:
        if usage is not None and cost is not None:
            raise InvalidEvent("cost", "left out where usage is given (it is another name of it)", cost)
        name, given = ("usage", usage) if cost is None else ("cost", cost)
        return as_usage(given, self._client.pipeline.report_change, name)

    def _clean(self, field: str, given: Properties | None, own: tuple[str, ...] = ()) -> dict[str, Scalar]:
        """Scalars that an event may carry; what had to be changed is told, or raised where the client is strict."""
        if given is None:
            return {}
        cleaned = clean_scalars(field, given, self._client.pipeline.report_change)
        for name in own:
            if name in cleaned:
                self._client.pipeline.report_change(
                    f"{field}.{name}", cleaned.pop(name), "left out: an argument's name"
                )
        return cleaned


def _text(name: str, given: object) -> str:
    """A text that can be encoded."""
    if type(given) is str and given.isascii():
        return given
    return valid_text(check_text(name, as_name(given)))


def _present(**fields: Any) -> dict[str, Any]:
    """Those fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


_PROGRESS = ("_attributes", "_ended", "_id_is_given", "_unannounced", "_used")
"""How far a session has come, beside its conversations."""


def _gone_on(client: Any, ids: dict[str, str | None], state: dict[str, Any]) -> Any:
    session = client.create_session(**ids)
    for name, value in state.items():
        setattr(session, name, value)
    return session
