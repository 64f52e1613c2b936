"""One question is one turn. It collects what happens until the answer, and records all of it then. See the package.

Nothing here raises or waits. The session checks the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING

from ..session_state import new_id
from ..tokens import NO_TOKENS, Tokens, tokens_of
from ..usage import UNKNOWN_MODEL, TokenBasedCost
from ..validators import MAX_INT, MAX_NAME
from ..values import now
from .calls import Call, Ended, outcome_of
from .quiet import quiet
from .sessions import Place, as_thread_id, left_alone
from .watch import Watch

if TYPE_CHECKING:
    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession

_active: ContextVar[Turn | None] = ContextVar("mindlytics_turn", default=None)


def active_turn() -> Turn | None:
    """The turn being recorded around the caller, or None."""
    turn = _active.get()
    return None if turn is None or turn.is_over or turn.is_paused else turn


class Recorder:
    """Begins turns, each in its session.

    :param session: of either face. Default: the current one at each question.
    :param client: of either face. It makes sessions if none is current. Default: a client with the
        environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self.place = Place(session, client)

    def turn(
        self,
        user: str = "",
        *,
        thread_id: object = None,
        assistant_id: str | None = None,
        properties: dict[str, object] | None = None,
        at: datetime | None = None,
    ) -> Turn:
        """Begin a question: a part of the active turn, else a turn of its own.

        :param user: what was asked. You may assign ``turn.user`` and ``turn.assistant_id`` until the turn ends.
        :param thread_id: the framework's own id of the conversation, if it has one.
        :param properties: scalars to record with the turn.
        :param at: when it began, an aware datetime. Default: now.
        """
        outer = active_turn()
        if outer is not None and self.place.session in (None, outer.session):
            return Part(outer, user, assistant_id, at)
        thread = as_thread_id(thread_id)
        session, ends = self.place.find(thread) or (None, False)
        return Turn(session, user, thread, assistant_id, at, properties=properties, ends_session=ends)


class Turn:
    """A question until its answer. Made by :meth:`Recorder.turn`.

    Feedback names it by its ``id``. You may change ``user``, ``assistant_id``, ``properties`` and ``unnamed_model``
    (the model for calls that lack its name) until the end.
    """

    def __init__(
        self,
        session: AnySession | None,
        user: str,
        thread_id: str | None,
        assistant_id: str | None,
        at: datetime | None,
        *,
        properties: dict[str, object] | None = None,
        ends_session: bool = False,
    ) -> None:
        self.id = new_id()
        self.session = session
        self.user = user
        self.assistant = ""
        self.assistant_id = assistant_id
        self.properties = dict(properties or {})
        self.is_over = False
        self._begun: list[Call] = []
        self._calls: list[Ended] = []
        self._thread_id = thread_id
        self._ends_session = ends_session
        self._watch = Watch(at)
        self._first_token: int | None = None
        self._used: list[tuple[str, Tokens]] = []
        self._open = [self]  # the first end pops it; a lock could be held at a fork
        self._paused: Watch | None = None
        self.unnamed_model = UNKNOWN_MODEL

    def call(self, name: str, args: object = None, *, at: datetime | None = None) -> Call:
        """Begin a tool's call.

        :param args: a text, or a value that becomes JSON.
        """
        call = Call(self, name, args, at)
        self._begun.append(call)
        return call

    def take(self, ended: Ended) -> None:
        """Keep an ended call, to record it with the turn."""
        self._calls.append(ended)

    @quiet
    def use(self, usage: object, model: object = None) -> None:
        """Note a model call.

        :param usage: the library's token counts, as an object or mapping under any known names, as ``Tokens``, or None.
        :param model: the model's name.
        """
        tokens = usage if isinstance(usage, Tokens) else tokens_of(usage) or NO_TOKENS
        name = str(model)[:MAX_NAME] if model else UNKNOWN_MODEL
        if self.is_over and self.session is not None:  # some libraries report late, from their own thread
            self._record_usage(self.session, name, tokens, now())
        else:
            self._used.append((name, tokens))

    @quiet
    def first_token(self, *, at: datetime | None = None) -> None:
        """Note that the first piece of the answer came. Later pieces are ignored."""
        if self._first_token is None:
            self._first_token = self._watch.milliseconds(at)

    @quiet
    def end(self, assistant: str = "", *, at: datetime | None = None) -> None:
        """End the turn with the answer."""
        self._end(assistant, {}, at)

    @quiet
    def fail(self, error: BaseException | str, assistant: str = "", *, at: datetime | None = None) -> None:
        """End the turn with an error or a cancellation.

        :param assistant: the answer so far.
        """
        self._end(assistant, outcome_of(error), at)

    @quiet
    def cancel(self, assistant: str = "", *, at: datetime | None = None) -> None:
        """End the turn, since the program stopped reading the answer."""
        self._end(assistant, {"cancelled": True}, at)

    @quiet
    def drop(self) -> None:
        """Discard the turn, since there was no question. Its calls are recorded alone, unless the session
        was made for it.
        """
        if self._is_first_end() and not self._ends_session:
            for ended in self._calls:
                NoTurn(self.session).take(ended)

    @property
    def is_paused(self) -> bool:
        """Whether it waits for a person."""
        return self._paused is not None

    def pause(self) -> None:
        """Pause the turn while it waits for a person, for example for an approval. Its latency excludes that time."""
        self._paused = self._paused or Watch()

    def resume(self) -> None:
        """Continue after a pause."""
        if self._paused is not None:
            self._watch.skip(self._paused)
            self._paused = None

    @contextmanager
    def active(self) -> Iterator[Turn]:
        """A block in which questions are parts of this one, also in tasks that the block starts."""
        outer = _active.get()
        _active.set(self)
        try:
            yield self
        finally:
            _active.set(outer)

    def _is_first_end(self) -> bool:
        self.is_over = True
        try:
            return self._open.pop() is self
        except IndexError:
            return False

    def _end(self, assistant: str, outcome: Mapping[str, object], at: datetime | None) -> None:
        if not self._is_first_end():
            return
        self.resume()
        session = self.session
        if session is None:
            return
        for call in self._begun:
            call.cancel(at=at)
        calls, self._calls, self._begun = self._calls, [], []  # they refer to this turn
        turn_end = now() if at is None else at
        try:
            for ended in calls:
                self._record_call(session, ended, turn_end)
            self._record_turn(session, turn_end, assistant or self.assistant, outcome, self._watch.milliseconds(at))
        finally:
            if self._ends_session:
                left_alone(session.end_session())

    def _record_call(self, session: AnySession, ended: Ended, turn_end: datetime) -> None:
        at, call, result, runtime, properties = ended
        left_alone(
            session.track_function_call(
                name=(str(call.name) or UNKNOWN_MODEL)[:MAX_NAME],
                args=call.args,
                result=result,
                runtime=runtime,
                properties=properties if isinstance(self, NoTurn) else {**properties, "turn_id": self.id},
                conversation_id=self._thread_id,
                timestamp=min(at, turn_end),
            )
        )

    def _record_usage(self, session: AnySession, model: str, tokens: Tokens, turn_end: datetime) -> None:
        """Record tokens that came late, or of another model than the answering one."""
        if tokens.prompt or tokens.completion:
            left_alone(
                session.track_conversation_usage(
                    usage=_cost(model, tokens),
                    properties={"turn_id": self.id},
                    conversation_id=self._thread_id,
                    timestamp=turn_end,
                )
            )

    def _record_turn(
        self, session: AnySession, turn_end: datetime, assistant: str, outcome: Mapping[str, object], latency: int
    ) -> None:
        used_by: dict[str, Tokens] = {}
        for called, used in self._used:  # the last model gave the answer, so it comes last
            name = self.unnamed_model if called == UNKNOWN_MODEL else called
            before = used_by.pop(name, None)
            used_by[name] = used if before is None else before + used
        *others, (model, tokens) = used_by.items() or [(UNKNOWN_MODEL, NO_TOKENS)]
        for other, used in others:
            self._record_usage(session, other, used, turn_end)
        measured: dict[str, object] = {"latency": latency, "turn_id": self.id}
        if self._first_token is not None:
            measured["time_to_first_token"] = self._first_token
        if self._used:
            measured["model_calls"] = len(self._used)
        left_alone(
            session.track_conversation_turn(
                user=str(self.user),
                assistant=str(assistant),
                assistant_id=str(self.assistant_id)[:MAX_NAME] if self.assistant_id else None,
                usage=_cost(model, tokens) if model != UNKNOWN_MODEL or tokens.prompt or tokens.completion else None,
                properties={**self.properties, **outcome, **measured},
                conversation_id=self._thread_id,
                timestamp=turn_end,
            )
        )


class Part(Turn):
    """A question within another one, which gets its usage and calls."""

    def __init__(self, outer: Turn, user: str, assistant_id: str | None, at: datetime | None) -> None:
        super().__init__(None, user, None, assistant_id, at)
        self.outer = outer
        self.id = outer.id
        self.session = outer.session

    def call(self, name: str, args: object = None, *, at: datetime | None = None) -> Call:
        return self.outer.call(name, args, at=at)

    def use(self, usage: object, model: object = None) -> None:
        self.outer.use(usage, model)

    def first_token(self, *, at: datetime | None = None) -> None:
        self.outer.first_token(at=at)

    def _end(self, assistant: str, outcome: Mapping[str, object], at: datetime | None) -> None:
        self.is_over = True
        outer = self.outer
        outer.user = outer.user or self.user
        outer.assistant = assistant or outer.assistant
        outer.assistant_id = outer.assistant_id or self.assistant_id


class NoTurn(Turn):
    """Records a call outside of any question, when it ends."""

    def __init__(self, session: AnySession | None) -> None:
        super().__init__(session, "", None, None, None)

    def call(self, name: str, args: object = None, *, at: datetime | None = None) -> Call:
        return Call(self, name, args, at)

    def take(self, ended: Ended) -> None:
        if self.session is not None:
            self._record_call(self.session, ended, ended.at)


def _cost(model: str, tokens: Tokens) -> TokenBasedCost:
    parts = {name: min(count, MAX_INT) for name, count in tokens.details.items()}
    return TokenBasedCost(model, min(tokens.prompt, MAX_INT), min(tokens.completion, MAX_INT), **parts)
