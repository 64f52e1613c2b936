"""Turns a series of model requests into questions. A request with results of tools continues its question."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from datetime import datetime
from weakref import finalize

from attrs import define, field

from .calls import Call
from .quiet import quiet
from .recording import Recorder, Turn
from .watch import Watch

MOST_WAITING = 1_000
"""Most calls of tools per wrapped client that wait for results."""
ABANDONED_AFTER = 600.0
"""Seconds without a tool's result or a model's answer after which a question counts as abandoned."""

Waiting = tuple[Turn, Call, float]
"""A question, a tool that the program calls for it, and the start of the call on the monotonic clock."""


@define
class Result:
    """A tool's result, as the program passes it to the model."""

    id: Hashable
    result: object = None
    is_error: bool = False


@define
class Asked:
    """A request to a model.

    :param user: the user's last words.
    :param results: the tools' results.
    :param earlier: ids of calls before those words, whose questions are over.
    :param is_forced: the model has to call one function, so the call is the answer.
    :param at: when it was sent. Default: now.
    """

    user: str = ""
    results: list[Result] = field(factory=list)
    earlier: list[Hashable] = field(factory=list)
    thread_id: object = None
    model: object = None
    is_forced: bool = False
    at: datetime | None = None


@define
class Wanted:
    """A tool that the model asks for, or that its service has called already, with this result.

    :param since: when the model asked for it, if that was before the end of the answer.
    """

    id: Hashable
    name: str
    args: object = None
    is_done: bool = False
    result: object = None
    error: str | None = None
    since: Watch | None = None


@define
class Answer:
    """A model's answer.

    :param at: when it came. Default: now.
    """

    text: str = ""
    wanted: list[Wanted] = field(factory=list)
    usage: object = None
    model: object = None
    error: str | None = None
    at: datetime | None = None


class Dialogue:
    """The questions through one wrapped client."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._waiting: OrderedDict[Hashable, Waiting] = OrderedDict()
        finalize(self, _end_all, self._waiting)

    @quiet
    def begin(self, asked: Asked) -> Exchange:
        """Begin a request."""
        turn: Turn | None = None
        for result in asked.results:
            waited = self._waiting.get(result.id)
            if waited is None:
                continue
            found, call, _ = waited
            if result.is_error:
                call.fail(str(result.result), at=asked.at)
            else:
                call.end(result.result, at=asked.at)
            if result.id not in asked.earlier:
                self._waiting.pop(result.id, None)
                turn = turn or (None if found.is_over else found)
        self._end_late(asked.earlier)
        if turn is None:
            turn = self.recorder.turn(asked.user, thread_id=asked.thread_id, at=asked.at)
        return Exchange(self, turn, asked)

    def is_waiting_for(self, results: Iterable[Result]) -> bool:
        """Whether all results belong to a known question."""
        return all(result.id in self._waiting for result in results)

    def wait(self, id: Hashable, turn: Turn, call: Call) -> None:
        """Wait for the result of a tool that the program calls now."""
        before = self._waiting.pop(id, None)
        if before is not None:
            before[0].end()
        self._waiting[id] = turn, call, time.monotonic()

    def _end_late(self, earlier: Iterable[Hashable]) -> None:
        """End the questions whose results will not come."""
        for id in earlier:
            waited = self._waiting.pop(id, None)
            if waited is not None:
                waited[0].end()
        while self._waiting:
            id = next(iter(self._waiting))
            turn, _, since = self._waiting[id]
            if len(self._waiting) <= MOST_WAITING and time.monotonic() - since < ABANDONED_AFTER and not turn.is_over:
                break
            self._waiting.pop(id, None)
            turn.end()


class Exchange:
    """One request and its outcome. Only its first end has an effect."""

    def __init__(self, dialogue: Dialogue, turn: Turn, asked: Asked) -> None:
        self._dialogue = dialogue
        self.turn = turn
        self._asked = asked
        self._is_over = False

    def piece(self, at: datetime | None = None) -> None:
        """Note a piece of a streamed answer."""
        self.turn.first_token(at=at)

    @quiet
    def answered(self, answer: Answer) -> None:
        """End the request with an answer. If the model asks for tools, the question continues."""
        if self._is_over:
            return
        self._is_over = True
        turn = self.turn
        turn.use(answer.usage, answer.model or self._asked.model)
        waits = False
        for wanted in answer.wanted:
            call = turn.call(wanted.name, wanted.args, at=answer.at)
            if wanted.since is not None:
                call.restart(wanted.since)
            if wanted.error is not None:
                call.fail(wanted.error, at=answer.at)
            elif wanted.is_done or self._asked.is_forced:
                call.end(wanted.result, at=answer.at)
            else:
                waits = True
                self._dialogue.wait(wanted.id, turn, call)
        if answer.error is not None:
            turn.fail(answer.error, answer.text, at=answer.at)
        elif not waits:
            turn.end(answer.text, at=answer.at)

    @quiet
    def failed(self, error: BaseException, answer: Answer | None = None) -> None:
        """End the request with an error or a cancellation.

        :param answer: the answer so far.
        """
        if self._is_over:
            return
        self._is_over = True
        so_far = answer or Answer()
        self.turn.use(so_far.usage, so_far.model or self._asked.model)
        self.turn.fail(error, so_far.text)


def _end_all(waiting: OrderedDict[Hashable, Waiting]) -> None:
    """End all questions, at exit or when the wrapped client is garbage-collected."""
    while waiting:
        waiting.popitem()[1][0].end()
