"""Which question each run of LangChain belongs to, and when the question has ended. Imports nothing of LangChain.

A run without a known parent is a question. A question that waits for a tool's result or a person's approval continues
in another run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from uuid import UUID
from weakref import finalize

from attrs import define, field

from ..values import now
from .calls import Call
from .langchain_messages import ToolCall, is_failed, results_in, said_by
from .recording import Recorder, Turn
from .texts import as_json

MOST_RUNS = 10_000
"""Most runs that are followed at once. Beyond that, the oldest question counts as cancelled."""
MOST_WAITING = 1_000
"""Most questions that wait at once. Beyond that, the one that waits longest is recorded as it is."""

Key = tuple[str, str]
"""``("thread", id)`` or ``("call", id)``."""


@define(eq=False)
class Question:
    """A run without a parent, with all that happens below it."""

    began: datetime = field(factory=now)
    thread_id: object = None
    assistant_id: str | None = None
    text: str | None = None
    """The user's words in the run's input."""
    prompted: str | None = None
    """The user's words in the input of the first model."""
    words: str = ""
    """The last words of a model."""
    models: int = 0
    turn: Turn | None = None
    asked: dict[str, tuple[ToolCall, datetime]] = field(factory=dict)
    """Calls that models asked for and that no tool's run answers, by id, with the time."""
    halted: dict[str, Call] = field(factory=dict)
    """Calls that wait for a person."""
    is_halted: bool = False
    is_waiting: bool = False
    runs: dict[UUID, Run] = field(factory=dict)

    def id_of(self, name: str, args: object) -> str | None:
        """The id of a call that a model asked for, if LangChain does not say which one a tool answers."""
        found = (call_id for call_id, (call, _) in list(self.asked.items()) if (call.name, call.args) == (name, args))
        return next(found, None)

    def resolve(self, messages: Sequence[object]) -> None:
        """Resolve calls of tools without runs of their own, by their results among the messages."""
        if not self.asked or self.turn is None:
            return
        for call_id, message in results_in(messages):
            if call_id in self.asked:
                call, at = self.asked.pop(call_id)
                end_call(self.turn.call(call.name, as_json(call.args), at=at), message)


@define(eq=False)
class Run:
    """An open run."""

    question: Question
    is_root: bool
    call: Call | None = None
    call_id: str | None = None
    asked_of: tuple[object, ...] = ()
    """Where a model's name may be, as LangChain passes it."""
    pieces: list[str] | None = None
    """A model's words so far. None if the run is not a model's."""
    block: AbstractContextManager[Turn] | None = None
    """A block in which questions that other integrations record are parts of this one."""


class Runs:
    """All runs that one handler follows. Any thread may call."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._runs: OrderedDict[UUID, Run] = OrderedDict()
        self._waiting: OrderedDict[Key, Question] = OrderedDict()
        finalize(self, _finish_all, self._waiting)

    def __reduce__(self) -> tuple[object, ...]:
        """A copy, such as that of a pickled chain, follows no run yet."""
        return type(self), (self._recorder,)

    def get(self, run_id: UUID | None) -> Run | None:
        """Look up an open run."""
        return None if run_id is None else self._runs.get(run_id)

    def begin(self, run_id: UUID, parent: Run | None, waiting: Question | None = None) -> Run:
        """Begin a run.

        :param waiting: the question that it continues, if it has no parent.
        """
        run = Run(parent.question, False) if parent is not None else Run(waiting or Question(), True)
        self._runs[run_id] = run.question.runs[run_id] = run
        if len(self._runs) > MOST_RUNS:
            oldest = next(iter(self._runs.values())).question
            self.turn(oldest).cancel(oldest.words)
            self._forget(oldest)
        return run

    def end(self, run_id: UUID) -> Question | None:
        """End a run. Returns its question if that ends too."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return None
        run.question.runs.pop(run_id, None)
        if run.block is not None:
            run.block.__exit__(None, None, None)
        if not run.is_root:
            return None
        if not run.question.is_waiting:
            self._forget(run.question)
        return run.question

    def _forget(self, question: Question) -> None:
        for run_id in list(question.runs):
            self._runs.pop(run_id, None)

    def turn(self, question: Question) -> Turn:
        """The turn of a question. It begins on first use, when its session is known."""
        if question.turn is None:
            question.turn = self._recorder.turn(
                thread_id=question.thread_id, assistant_id=question.assistant_id, at=question.began
            )
        return question.turn

    def enter(self, run: Run) -> None:
        """Make questions that other integrations record within the run parts of this one."""
        run.block = self.turn(run.question).active()
        run.block.__enter__()

    def finish(
        self, question: Question, answer: str | None, error: BaseException | None = None, *, cancelled: bool = False
    ) -> None:
        """Record a question's turn."""
        _finish(question, self.turn(question), answer, error, cancelled=cancelled)

    def settle(self, question: Question, answer: str | None) -> None:
        """Discard the turn of a run without a question, unless a model was asked within it."""
        if question.models:
            self.finish(question, answer)
        elif question.turn is not None:
            question.turn.drop()

    # -- questions that go on in another run ---------------------------------------------------------------------

    def wait(self, question: Question, keys: Iterable[Key]) -> None:
        """Keep a question until a run with one of the keys continues it."""
        question.is_waiting = True
        for key in keys:
            before = self._waiting.pop(key, None)
            if before is not None and before is not question:
                self._drop(before)
            if key[0] == "thread":
                self.turn(question).pause()
            self._waiting[key] = question
        while len(self._waiting) > MOST_WAITING:
            self._drop(self._waiting[next(iter(self._waiting))])

    def of_thread(self, thread_id: object, inputs: object) -> Question | None:
        """The question that a graph resumes. If the thread gets a new question instead, the waiting one is recorded."""
        question = self._waiting.get(("thread", str(thread_id)))
        if question is None:
            return None
        if inputs is None or getattr(inputs, "resume", None) is not None:
            return self._go_on(question)
        self._drop(question)
        return None

    def of_results(self, messages: Sequence[object]) -> Question | None:
        """The question of the tool calls whose results are among the messages."""
        found = (self._waiting.get(("call", call_id)) for call_id, _ in results_in(messages)) if self._waiting else ()
        question = next((each for each in found if each is not None), None)
        return None if question is None else self._go_on(question)

    def of_call(self, call_id: object, name: str, args: object) -> tuple[Question | None, str | None]:
        """The question of this tool call, and the call's id."""
        question = self._waiting.get(("call", str(call_id)))
        if question is not None:
            return question, str(call_id)
        for (kind, waiting_id), each in list(self._waiting.items()):
            if kind == "call" and each.id_of(name, args) == waiting_id:
                return each, waiting_id
        return None, None

    def _go_on(self, question: Question) -> Question:
        self._no_longer(question)
        self.turn(question).resume()
        return question

    def _drop(self, question: Question) -> None:
        self._no_longer(question)
        self.finish(question, None)

    def _no_longer(self, question: Question) -> None:
        question.is_waiting = False
        for key in [key for key, each in list(self._waiting.items()) if each is question]:
            self._waiting.pop(key, None)


def _finish(
    question: Question, turn: Turn, answer: str | None, error: BaseException | None = None, *, cancelled: bool = False
) -> None:
    turn.user = question.text or question.prompted or ""
    turn.assistant_id = turn.assistant_id or question.assistant_id
    answer = question.words if answer is None else answer
    if error is not None:
        turn.fail(error, answer)
    elif cancelled:
        turn.cancel(answer)
    else:
        turn.end(answer)


def _finish_all(waiting: OrderedDict[Key, Question]) -> None:
    """Record what still waits, at exit or when the handler is garbage-collected."""
    while waiting:
        question = waiting.popitem(last=False)[1]
        if question.turn is not None:
            _finish(question, question.turn, None)


def end_call(call: Call, output: object) -> None:
    """A tool's result: a message, or a value of its own."""
    message = next((message for _, message in results_in([output])), None)
    if message is None:
        call.end(as_json(output))
    elif is_failed(message):
        call.fail(said_by(message))
    else:
        call.end(said_by(message))
