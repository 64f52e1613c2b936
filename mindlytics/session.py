"""A session: every call that records something, written once for both faces.

A method checks its arguments, makes the fields of one event, and submits it. ``session_state.py`` has the rest of a
session: its ids and its progress, and how the event leaves.
"""

from __future__ import annotations

from datetime import timedelta
from typing import overload

from .arguments import as_milliseconds, as_name, as_text, reports_missing
from .cleaning.numbers import whole_number
from .delivery.account import APIResponse
from .errors import MISSING, InvalidEvent
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
    Identify,
    StartConversation,
    StartSession,
)
from .session_state import Done, Id, Properties, SessionState, new_id
from .usage import Usage, UsageArgument, as_usage
from .validators import check_finite, check_milliseconds, check_name, check_text
from .values import Scalar, Timestamp, present, valid_text

TURN_NAMES = ConversationTurn.own_properties
FUNCTION_NAMES = ConversationFunction.own_properties


class BaseSession(SessionState[Done, Id]):
    """A session. Its first event starts it, and :meth:`end_session` or the end of its ``with`` block ends it.

    A client's ``create_session`` makes it. You can reuse an ended session: it gets a new id, or starts again under the
    id that you gave it.
    """

    __slots__ = ()

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
        done = self._record(StartSession, present(id=self.id, attributes=attributes), at)
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
        self._names_conversation = False
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
        fields = present(conversation_id=conversation_id, attributes=cleaned)
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
        fields = present(conversation_id=conversation_id, attributes=cleaned)
        done = self._record(EndConversation, fields, timestamp, self._clean("properties", properties))
        self._names_conversation = False
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
        :param cost: another name of ``usage``. One of the two is required.
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
        own: dict[str, Scalar] = present(
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
            properties=present(
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
        fields = present(id=named, traits=None if traits is None else self._clean("traits", traits))
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

    def _usage(self, usage: object, cost: object) -> Usage | None:
        if usage is not None and cost is not None:
            raise InvalidEvent("cost", "left out if usage is given (it is another name of it)", cost)
        name, argument = ("usage", usage) if cost is None else ("cost", cost)
        return as_usage(argument, self._client.pipeline.report_change, name)


def _text(name: str, value: object) -> str:
    """Check a text, and replace what UTF-8 cannot encode."""
    if type(value) is str and value.isascii():
        return value
    return valid_text(check_text(name, as_name(value)))
