"""What a session is, whatever it records: its ids, its progress, its account, and how an event of it leaves.

``session.py`` has the calls that record something. The faces, in ``client.py`` and ``aio.py``, decide what a call
returns (None or an awaitable), and they wait and close. Queues and sockets belong to ``pipeline/``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from os import urandom
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .arguments import as_timestamp, checked_id
from .cleaning import clean_scalars
from .delivery.account import ENTRY_SIZE, Account, Reason
from .delivery.privacy import is_sampled
from .errors import DeliveryError, InvalidEvent, OnError
from .events import Event, StartSession, trusted
from .live.event import MLEvent
from .usage import Usage
from .validators import check_name
from .values import UTC, Scalar, Timestamp, check_timestamp, plain_datetime, present, uuid_of

if TYPE_CHECKING:
    from .delivery.ledger import Ledger
    from .destinations import Mirror
    from .events import AnyEvent
    from .live.subscription import Listening
    from .settings import Settings

Done = TypeVar("Done")
"""What a call without a result returns: None, or an awaitable of it."""
Id = TypeVar("Id")
"""What a call that makes an id returns: a str, or an awaitable of it."""

Properties = Mapping[str, object]
"""Names and values. A value that cannot become a string, number or boolean is left out with a warning."""
Encode = Callable[..., bytes]
"""Encodes the parts of an event, see ``wire.py``."""


def new_id() -> str:
    """A fresh id for a session, conversation or device: a uuid4."""
    return uuid_of(urandom(16).hex(), 4)


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


class SessionState(Generic[Done, Id]):
    """A session without the calls that record something."""

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
        "_names_conversation",
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
        if on_event is not None and not callable(on_event):
            raise InvalidEvent("on_event", "a function or None", on_event)
        if on_error is not None and not callable(on_error):
            raise InvalidEvent("on_error", "a function or None", on_error)
        session_id, conversation_id = self._id("session_id", session_id), self._id("conversation_id", conversation_id)
        id, user_id, device_id = self._id("id", id), self._id("user_id", user_id), self._id("device_id", device_id)
        if id is not None and user_id is not None and id != user_id:
            raise InvalidEvent("user_id", "the same as id if both are given", user_id)
        self._id_is_given = session_id is not None
        self._names_conversation = session_id is not None and conversation_id is None
        user_id = user_id if id is None else id
        device_id = new_id() if user_id is None and device_id is None else device_id
        session_id = new_id() if session_id is None else session_id
        self._common = present(session_id=session_id, user_id=user_id, device_id=device_id)
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
        self._common = present(**{**self._common, name: value})

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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'session_id', '(incomplete)')}>"

    def __reduce__(self) -> tuple[object, ...]:
        """A copy continues with the session's ids. It has its own account, and no handlers."""
        ids = {"session_id": self.session_id, "id": self.id, "device_id": self.device_id}
        if self._conversations:
            ids["conversation_id"] = self._conversations[0]
        state = {name: getattr(self, name) for name in _PROGRESS}
        return _gone_on, (self._client, ids, {**state, "_conversations": [*self._conversations]})

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
            start = present(id=self.id, attributes=self._attributes)
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
        self._live.start()

    def _is_to_see_its_end(self) -> bool:
        """Whether the session has ended and its events are delivered, so that a listener sees its end.

        Destinations are ignored, since they send no live events.
        """
        return self._ended and self._account.delivered > 0 and self._account.pending == 0

    def _reopen(self) -> None:
        """Reuse an ended session, under a new id, or again under the id that the caller gave."""
        self._ended = self._plain = False
        if self._id_is_given:
            self._unannounced = True
        else:
            self.session_id = new_id()

    def _conversation(self, value: object) -> str:
        """The conversation of that id. Without an id, the current one, which is started if none is open.

        The first one has the session's id if the caller gave only that.
        """
        if value is not None and (conversation_id := self._id("conversation_id", value)) is not None:
            return conversation_id
        if not self._conversations:
            self._conversations.append(self.session_id if self._names_conversation else new_id())
        return self._conversations[-1]

    def _close(self, conversation_id: str) -> None:
        if conversation_id in self._conversations:
            self._conversations.remove(conversation_id)

    def _id(self, name: str, value: object) -> str | None:
        """Check an id, see :func:`~mindlytics.arguments.checked_id`."""
        return None if value is None else checked_id(name, value, self._client.pipeline.report_change)

    def _timestamp(self, value: Timestamp | None) -> Timestamp:
        if type(value) is datetime and value.tzinfo is UTC:
            return value
        at = as_timestamp(value, self._client.pipeline.report_change)
        check_timestamp("timestamp", at)
        return plain_datetime(at) if isinstance(at, datetime) and type(at) is not datetime else at

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


_PROGRESS = ("_attributes", "_ended", "_id_is_given", "_names_conversation", "_unannounced", "_used")
"""The state of a session that a copy takes over, besides its conversations."""


def _gone_on(client: MakesSessions, ids: dict[str, str | None], state: dict[str, object]) -> object:
    session = client.create_session(**ids)
    for name, value in state.items():
        setattr(session, name, value)
    return session
