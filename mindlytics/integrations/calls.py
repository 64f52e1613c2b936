"""Calls of tools: from their start to their result, error or cancellation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from ..arguments import as_text
from ..validators import MAX_NAME
from ..values import now
from .quiet import quiet
from .watch import Watch

if TYPE_CHECKING:
    from ..context import AnySession

_running: WeakKeyDictionary[AnySession, list[Call]] = WeakKeyDictionary()
"""The open calls of each session, so that a tool that ``observe`` records too is recorded once."""


class ErrorName(str):
    """The class name of an error, for libraries that give only that."""

    __slots__ = ()


class Ended(NamedTuple):
    """An ended call.

    :param at: when it ended.
    :param runtime: milliseconds.
    """

    at: datetime
    call: Call
    result: object
    runtime: int
    properties: Mapping[str, object]


class CallTurn(Protocol):
    """What a call asks of its turn."""

    session: AnySession | None

    def take(self, ended: Ended) -> None: ...


class Call:
    """A running tool. Made by :meth:`Turn.call`."""

    def __init__(self, turn: CallTurn, name: str, args: object, at: datetime | None) -> None:
        self.turn = turn
        self.name = name
        self.args = self._as_text("args", args)
        self.is_over = False
        self.is_adopted = False
        self._watch = Watch(at)
        if turn.session is not None:
            _running.setdefault(turn.session, []).append(self)

    @quiet
    def end(self, result: object = None, *, at: datetime | None = None) -> None:
        """End the call with a result.

        :param result: a text, or a value that becomes JSON.
        """
        self._end(result, {}, at)

    @quiet
    def fail(self, error: BaseException | str, *, at: datetime | None = None) -> None:
        """End the call with an error or a cancellation."""
        self._end(error if isinstance(error, str) else f"{type(error).__name__}: {error}", outcome_of(error), at)

    @quiet
    def cancel(self, *, at: datetime | None = None) -> None:
        """End the call without a result, since its turn ends before."""
        self._end(None, {"cancelled": True}, at)

    def forget(self) -> None:
        """Discard the call."""
        self.is_over = True
        self._remove()

    def restart(self, since: Watch | None = None) -> None:
        """Measure the runtime from now or from ``since``, for a call that runs later than the model asked for it."""
        self._watch = since or Watch()

    def _end(self, result: object, properties: Mapping[str, object], at: datetime | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        runtime = self._watch.milliseconds(at)
        ended = now() if at is None else at
        self.turn.take(Ended(ended, self, self._as_text("result", result), runtime, properties))
        self._remove()

    def _as_text(self, name: str, value: object) -> object:
        """A value as text now, since the program may change it before the turn is recorded."""
        session = self.turn.session
        if value is None or isinstance(value, str) or session is None:
            return value
        return quiet(as_text)(name, value, session._client.pipeline.report_change)

    def _remove(self) -> None:
        running = _calls_of(self.turn.session)
        if self in running:
            running.remove(self)


def adopt(session: AnySession | None, name: str, args: object) -> Call | None:
    """Take over a call of that name that a model asked for in the session, and that is about to run now.

    If there are several, prefer one with these arguments.
    """
    waiting = [call for call in _calls_of(session) if call.name == name and not call.is_adopted]
    if not waiting:
        return None
    call = next((call for call in waiting if _read(call.args) == args), waiting[0])
    call.is_adopted = True
    call.restart()
    return call


def outcome_of(error: BaseException | str) -> Mapping[str, object]:
    """The properties for an error: its class. Its message may hold what people said, so it is left out."""
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)):
        return {"cancelled": True}
    if isinstance(error, ErrorName):
        return {"error": str(error)[:MAX_NAME]}
    return {"error": "error" if isinstance(error, str) else type(error).__name__}


def _calls_of(session: AnySession | None) -> list[Call]:
    return [] if session is None else _running.get(session, [])


def _read(args: object) -> object:
    try:
        return json.loads(args) if isinstance(args, str) else args
    except ValueError:
        return args
