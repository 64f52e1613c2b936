"""One question is one turn: what happens until its answer is collected, and recorded at once. See the package.

Nothing here raises or waits. What an event may hold is the session's affair.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..session import new_id
from ..tokens import Tokens, tokens_of
from ..usage import UNKNOWN_MODEL, TokenBasedCost
from ..validators import MAX_INT, MAX_NAME
from ..values import now
from .quiet import quiet
from .sessions import Place, as_thread_id

if TYPE_CHECKING:
    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession

_active: ContextVar[Turn | None] = ContextVar("mindlytics_turn", default=None)

_running: WeakKeyDictionary[Any, list[Call]] = WeakKeyDictionary()
"""The calls of each session that have not ended, so that a tool which ``observe`` records is recorded once."""


def active_turn() -> Turn | None:
    """The turn that is being recorded around the caller, if one is."""
    turn = _active.get()
    return None if turn is None or turn.is_over or turn.is_paused else turn


class Recorder:
    """Begins turns, each in the session that it belongs to.

    :param session: of either face; default the current one at each question.
    :param client: of either face. It makes sessions where none is current; default one of the environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self.place = Place(session, client)

    def turn(
        self,
        user: str = "",
        *,
        thread_id: object = None,
        assistant_id: str | None = None,
        properties: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> Turn:
        """A question begins: within an active turn a part of that, else a turn of its own.

        :param user: what was asked. ``turn.user`` may be set until the turn ends, and ``turn.assistant_id`` as well.
        :param thread_id: the framework's own id of the conversation, where it has one.
        :param properties: scalars that are recorded with the turn.
        :param at: when it began, an aware datetime; default now.
        """
        outer = active_turn()
        given = self.place.session
        if outer is not None and (given is None or given is outer.session):
            return Part(outer, user, assistant_id, at)
        thread = quiet(as_thread_id)(thread_id)
        session, ends = quiet(self.place.find)(thread) or (None, False)
        return Turn(session, user, thread, assistant_id, at, properties=properties, ends_session=ends)


class ErrorName(str):
    """The class of an error, where a library gives no more than that."""

    __slots__ = ()


class Watch:
    """From when until when, by the caller's own times or by a clock that is never set back."""

    def __init__(self, at: datetime | None = None) -> None:
        self.began = now() if at is None else at
        self._tick = time.perf_counter()
        self._is_told = at is not None

    def milliseconds(self, at: datetime | None = None) -> int:
        """How many have passed, until now or until ``at``."""
        if at is None and not self._is_told:
            seconds = time.perf_counter() - self._tick
        else:
            seconds = ((now() if at is None else at) - self.began).total_seconds()
        return max(0, round(seconds * 1000))

    def skip(self, since: Watch) -> None:
        """Leave out the time from when ``since`` began until now."""
        self.began += now() - since.began
        self._tick += time.perf_counter() - since._tick


Ended = tuple[datetime, "Call", object, int, dict[str, Any]]
"""When a call ended, which one, its result, its runtime in milliseconds, and what else is said of it."""


class Call:
    """A tool at work. Made by :meth:`Turn.call`."""

    def __init__(self, turn: Turn, name: str, args: object, at: datetime | None) -> None:
        self.turn = turn
        self.name = name
        self.args = args
        self.is_over = False
        self.is_adopted = False
        self._watch = Watch(at)

    @quiet
    def end(self, result: object = None, *, at: datetime | None = None) -> None:
        """It has returned.

        :param result: a text, or what JSON is made of.
        """
        self._end(result, {}, at)

    @quiet
    def fail(self, error: BaseException | str, *, at: datetime | None = None) -> None:
        """It has raised, or was cancelled."""
        self._end(_told(error), _kind_of(error), at)

    def forget(self) -> None:
        """It has not happened."""
        self.is_over = True
        self._no_longer_open()

    def restart(self, since: Watch | None = None) -> None:
        """Its runtime counts from now, or since then: a model asked for it before, and now it is run."""
        self._watch = since or Watch()

    def _end(self, result: object, properties: dict[str, Any], at: datetime | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        runtime = self._watch.milliseconds(at)
        self.turn.take((now() if at is None else at, self, result, runtime, properties))
        self._no_longer_open()

    def _no_longer_open(self) -> None:
        open_calls = _calls_of(self.turn.session)
        if self in open_calls:
            open_calls.remove(self)


class Turn:
    """A question, until it is answered. Made by :meth:`Recorder.turn`.

    ``id`` is what feedback names. ``user``, ``assistant_id``, ``properties`` and ``unnamed_model``, the model of calls
    that do not name it, may be changed until the end.
    """

    def __init__(
        self,
        session: AnySession | None,
        user: str,
        thread_id: str | None,
        assistant_id: str | None,
        at: datetime | None,
        *,
        properties: dict[str, Any] | None = None,
        ends_session: bool = False,
    ) -> None:
        self.id = new_id()
        self.session = session
        self.user = user
        self.assistant = ""
        self.assistant_id = assistant_id
        self.properties = dict(properties or {})
        self.is_over = False
        self._calls: list[Ended] = []
        self._thread_id = thread_id
        self._ends_session = ends_session
        self._watch = Watch(at)
        self._first_token: int | None = None
        self._used: list[tuple[str, Tokens]] = []
        self._open = [self]  # taken by the first that ends it: no lock, which a fork could find taken
        self._paused: Watch | None = None
        self.unnamed_model = UNKNOWN_MODEL

    def call(self, name: str, args: object = None, *, at: datetime | None = None) -> Call:
        """A tool begins.

        :param args: a text, or what JSON is made of.
        """
        call = Call(self, name, args, at)
        if self.session is not None:
            _running.setdefault(self.session, []).append(call)
        return call

    def take(self, ended: Ended) -> None:
        """A call of this turn has ended. It is recorded with the turn."""
        self._calls.append(ended)

    @quiet
    def use(self, usage: object, model: object = None) -> None:
        """A model was called.

        :param usage: what the library counts, an object or a mapping of whatever names, or ``Tokens``; None where it
            does not.
        :param model: the model's name.
        """
        tokens = usage if isinstance(usage, Tokens) else tokens_of(usage) or Tokens()
        name = str(model)[:MAX_NAME] if model else UNKNOWN_MODEL
        if self.is_over and self.session is not None:  # some libraries report late, from a thread of their own
            self._record_usage(self.session, name, tokens, now())
        else:
            self._used.append((name, tokens))

    @quiet
    def first_token(self, *, at: datetime | None = None) -> None:
        """A piece of the answer has come."""
        if self._first_token is None:
            self._first_token = self._watch.milliseconds(at)

    @quiet
    def end(self, assistant: str = "", *, at: datetime | None = None) -> None:
        """The question is answered."""
        self._end(assistant, {}, at)

    @quiet
    def fail(self, error: BaseException | str, assistant: str = "", *, at: datetime | None = None) -> None:
        """An error, or a cancellation, ended it.

        :param assistant: what had been said until then.
        """
        self._end(assistant, _kind_of(error), at)

    @quiet
    def cancel(self, assistant: str = "", *, at: datetime | None = None) -> None:
        """Nobody waits for the rest of the answer."""
        self._end(assistant, {"cancelled": True}, at)

    @quiet
    def drop(self) -> None:
        """There was no question. Calls are recorded by themselves, unless only a session for this turn is there."""
        if self._is_first_end() and not self._ends_session:
            for ended in self._calls:
                NoTurn(self.session).take(ended)

    @property
    def is_paused(self) -> bool:
        """Whether it waits for somebody."""
        return self._paused is not None

    def pause(self) -> None:
        """It waits for somebody, say for an approval: its latency does not count that, and it is active nowhere."""
        self._paused = self._paused or Watch()

    def resume(self) -> None:
        """It goes on."""
        if self._paused is not None:
            self._watch.skip(self._paused)
            self._paused = None

    @contextmanager
    def active(self) -> Iterator[Turn]:
        """Within the block, and in tasks that it starts, questions are parts of this one."""
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

    def _end(self, assistant: str, outcome: dict[str, Any], at: datetime | None) -> None:
        if not self._is_first_end():
            return
        self.resume()
        session = self.session
        if session is None:
            return
        for call in [call for call in _calls_of(session) if call.turn is self]:
            call._end(None, {"cancelled": True}, at)
        moment = now() if at is None else at
        try:
            for ended in self._calls:
                self._record_call(session, ended, moment)
            self._record_turn(session, moment, assistant or self.assistant, outcome, self._watch.milliseconds(at))
        finally:
            if self._ends_session:
                _left_alone(session.end_session())

    def _record_call(self, session: Any, ended: Ended, moment: datetime) -> None:
        at, call, result, runtime, properties = ended
        _left_alone(
            session.track_function_call(
                name=(str(call.name) or UNKNOWN_MODEL)[:MAX_NAME],
                args=call.args,
                result=result,
                runtime=runtime,
                properties=properties if isinstance(self, NoTurn) else {**properties, "turn_id": self.id},
                conversation_id=self._thread_id,
                timestamp=min(at, moment),
            )
        )

    def _record_usage(self, session: Any, model: str, tokens: Tokens, moment: datetime) -> None:
        """Tokens of another model than the one that answered, or that come late."""
        if tokens.prompt or tokens.completion:
            _left_alone(
                session.track_conversation_usage(
                    usage=_cost(model, tokens),
                    properties={"turn_id": self.id},
                    conversation_id=self._thread_id,
                    timestamp=moment,
                )
            )

    def _record_turn(
        self, session: Any, moment: datetime, assistant: str, outcome: dict[str, Any], latency: int
    ) -> None:
        used_by: dict[str, Tokens] = {}
        for called, used in self._used:  # the model that was called last stands last: it gave the answer
            name = self.unnamed_model if called == UNKNOWN_MODEL else called
            used_by[name] = used_by.pop(name, Tokens()) + used
        *others, (model, tokens) = used_by.items() or [(UNKNOWN_MODEL, Tokens())]
        for other, used in others:
            self._record_usage(session, other, used, moment)
        measured = {
            "latency": latency,
            "time_to_first_token": self._first_token,
            "model_calls": len(self._used) or None,
        }
        _left_alone(
            session.track_conversation_turn(
                user=str(self.user),
                assistant=str(assistant),
                assistant_id=str(self.assistant_id)[:MAX_NAME] if self.assistant_id else None,
                usage=_cost(model, tokens) if model != UNKNOWN_MODEL or tokens.prompt or tokens.completion else None,
                properties={**self.properties, **measured, **outcome, "turn_id": self.id},
                conversation_id=self._thread_id,
                timestamp=moment,
            )
        )


class Part(Turn):
    """A question within another one: what it uses and calls is the outer one's."""

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

    def _end(self, assistant: str, outcome: dict[str, Any], at: datetime | None) -> None:
        self.is_over = True
        outer = self.outer
        outer.user = outer.user or self.user
        outer.assistant = assistant or outer.assistant
        outer.assistant_id = outer.assistant_id or self.assistant_id


class NoTurn(Turn):
    """For a call outside of any question, which is recorded when it ends."""

    def __init__(self, session: AnySession | None) -> None:
        super().__init__(session, "", None, None, None)

    def take(self, ended: Ended) -> None:
        if self.session is not None:
            self._record_call(self.session, ended, ended[0])


def adopt(session: object, name: str, args: object) -> Call | None:
    """A call of that name that was asked for in the session and that nobody runs yet; it is run now.

    Of several, one with these arguments.
    """
    waiting = [call for call in _calls_of(session) if call.name == name and not call.is_adopted]
    if not waiting:
        return None
    call = next((call for call in waiting if _read(call.args) == args), waiting[0])
    call.is_adopted = True
    call.restart()
    return call


def _read(args: object) -> object:
    try:
        return json.loads(args) if isinstance(args, str) else args
    except ValueError:
        return args


def _calls_of(session: object) -> list[Call]:
    return [] if session is None else _running.get(session, [])


def _cost(model: str, tokens: Tokens) -> TokenBasedCost:
    parts = {name: min(count, MAX_INT) for name, count in tokens.details.items()}
    return TokenBasedCost(model, min(tokens.prompt, MAX_INT), min(tokens.completion, MAX_INT), **parts)


def _kind_of(error: BaseException | str) -> dict[str, Any]:
    """What properties say of an error: its class, never its message, which may hold what people said."""
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)):
        return {"cancelled": True}
    if isinstance(error, ErrorName):
        return {"error": str(error)[:MAX_NAME]}
    return {"error": "error" if isinstance(error, str) else type(error).__name__}


def _told(error: BaseException | str) -> str:
    """What stands in the place of a result."""
    return error if isinstance(error, str) else f"{type(error).__name__}: {error}"


def _left_alone(done: Any) -> None:
    """An asyncio session's calls have done their work; only one that waits for room has a coroutine of its own."""
    if inspect.iscoroutine(done):
        if (loop := asyncio._get_running_loop()) is not None:
            loop.create_task(done)
        else:
            done.close()
