"""Pydantic AI: every run of every agent becomes a turn.

    from mindlytics.integrations.pydantic_ai import instrument

    instrument()

All ways to run an agent go through ``Agent.iter``, which is wrapped until ``undo``. A capability added to each run
times the tools. Everything else is read from the run's messages at its end.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, cast

from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.capabilities import AbstractCapability

from ..values import now
from .calls import Call
from .fields import get, items_of, str_of
from .quiet import quiet
from .recording import Recorder, Turn
from .texts import as_json, text_of

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
    from pydantic_ai.run import AgentRun
    from pydantic_ai.tools import ToolDefinition

    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession

MOST_WAITING = 1_000
"""Most questions that wait for results or approvals. Beyond that, the oldest is recorded as it is."""

NATIVE_CALLS = ("builtin-tool-call", "native-tool-call")
NATIVE_RETURNS = ("builtin-tool-return", "native-tool-return")

_recorders: list[Recorder] = []
_waiting: OrderedDict[str, _Waiting] = OrderedDict()
"""Questions that wait, by the ids of the calls that they wait for."""


def instrument(session: AnySession | None = None, client: Client | AsyncClient | None = None) -> Callable[[], None]:
    """Record all runs of all agents, until the returned function is called.

    If you call it again, the newest call records. Once that is undone, the one before it records again.

    :param session: where to record, of either face. Default: the current session at each run.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    :returns: a function that undoes it.
    """
    recorder = Recorder(session, client)
    if not _recorders:
        _set_iter(_wrapped(cast(_Iter, Agent.iter)))
    _recorders.append(recorder)

    def undo() -> None:
        if recorder not in _recorders:
            return
        _recorders.remove(recorder)
        if not _recorders:
            _set_iter(getattr(Agent.iter, "not_recorded", Agent.iter))

    return undo


class _Iter(Protocol):
    """``Agent.iter``: a context manager whose run the program may step through."""

    def __call__(self, *args: object, **kwargs: object) -> AbstractAsyncContextManager[object]: ...


def _set_iter(method: object) -> None:
    setattr(Agent, "iter", method)  # noqa: B010  a type checker knows the method's overloads


def _wrapped(original: _Iter) -> _Iter:
    @functools.wraps(original)
    @asynccontextmanager
    async def recorded(*args: object, **kwargs: object) -> AsyncIterator[object]:
        if not _recorders:
            async with original(*args, **kwargs) as run:
                yield run
            return
        question = _Question(_recorders[-1], args, kwargs)
        kwargs["capabilities"] = [*items_of(kwargs.get("capabilities")), _Tools(question)]
        try:
            async with original(*args, **kwargs) as run:
                question.begin(cast("AgentRun", run))
                with question.active():
                    yield run
        except BaseException as error:
            question.end(error)
            raise
        question.end(None)

    recorded.not_recorded = original  # type: ignore[attr-defined]
    return recorded


class _Waiting:
    """A question whose run has ended, and which another run continues."""

    def __init__(self, turn: Turn, said: str, calls: dict[str, Call]) -> None:
        self.turn = turn
        self.said = said
        self.calls = calls
        """The calls whose results come from the program."""


class _Question:
    """A run of an agent."""

    def __init__(self, recorder: Recorder, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        self._recorder = recorder
        self._agent = args[0]
        self._prompt = args[1] if len(args) > 1 else kwargs.get("user_prompt")
        self._results = kwargs.get("deferred_tool_results")
        self._began = now()
        self._run: AgentRun | None = None
        self.turn: Turn | None = None

    @quiet
    def begin(self, run: AgentRun) -> None:
        """Called before the run's first step."""
        self._run = run
        self.turn = self._continued()
        if self.turn is None:
            asked = _prompt_in(run.all_messages()) if self._prompt is None else self._prompt
            thread_id = get(run, "conversation_id")
            self.turn = self._recorder.turn(text_of(asked), thread_id=thread_id, at=self._began)

    def active(self) -> AbstractContextManager[object]:
        """A block in which runs of other agents are parts of this one."""
        return nullcontext() if self.turn is None else self.turn.active()

    @quiet
    def end(self, error: BaseException | None) -> None:
        """Called when the run has ended or was abandoned."""
        turn = self.turn
        if turn is None or self._run is None:
            return
        turn.assistant_id = str_of(get(self._agent, "name")) or None
        said = ""
        for message in self._run.new_messages():
            if message.kind == "response":
                turn.use(message.usage, message.model_name)
                said = _text_in(message) or said
                _record_native(turn, message)
        if error is not None:
            turn.fail(error, said)
        elif self._run.result is None:
            turn.cancel(said)
        elif (asked := _deferred(self._run.result.output)) is not None:
            _wait(turn, said, *asked)
        else:
            turn.end(as_json(self._run.result.output) or said)

    def _continued(self) -> Turn | None:
        """The turn of the question that the run continues."""
        results = {**_mapping(get(self._results, "calls")), **_mapping(get(self._results, "approvals"))}
        waiting = next((_waiting[call_id] for call_id in results if call_id in _waiting), None)
        if waiting is None:
            return None
        for call_id, call in waiting.calls.items():
            if call_id in results:
                call.end(as_json(results[call_id]))
        _no_longer(waiting)
        waiting.turn.resume()
        return waiting.turn


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


class _Tools(AbstractCapability[object]):
    """Times the tools of a run."""

    def __init__(self, question: _Question) -> None:
        self._question = question

    async def wrap_tool_execute(
        self,
        ctx: RunContext[object],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, object],
        handler: Callable[[dict[str, object]], Awaitable[object]],
    ) -> object:
        """Run a tool."""
        turn = self._question.turn
        if turn is None or tool_def.kind == "output":
            return await handler(args)
        recorded = turn.call(call.tool_name, as_json(args))
        try:
            result = await handler(args)
        except BaseException as error:
            if type(error).__name__ in ("CallDeferred", "ApprovalRequired"):
                recorded.forget()
            else:
                recorded.fail(error)
            raise
        recorded.end(as_json(result))
        return result


def _wait(turn: Turn, said: str, calls: Sequence[ToolCallPart], approvals: Sequence[ToolCallPart]) -> None:
    """Keep the question until its results or approvals arrive."""
    turn.pause()
    asked = {call.tool_call_id: turn.call(call.tool_name, as_json(call.args)) for call in calls}
    waiting = _Waiting(turn, said, asked)
    for call in (*calls, *approvals):
        _waiting[call.tool_call_id] = waiting
    while len(_waiting) > MOST_WAITING:
        oldest = next(iter(_waiting.values()))
        _no_longer(oldest)
        oldest.turn.end(oldest.said)


def _no_longer(waiting: _Waiting) -> None:
    for call_id in [call_id for call_id, each in list(_waiting.items()) if each is waiting]:
        _waiting.pop(call_id, None)


def _deferred(output: object) -> tuple[Sequence[ToolCallPart], Sequence[ToolCallPart]] | None:
    """The calls that wait for results from the program, and those that wait for approval."""
    return (output.calls, output.approvals) if isinstance(output, DeferredToolRequests) else None


def _prompt_in(messages: Sequence[ModelMessage]) -> object:
    """The user's last words."""
    parts = (part for message in reversed(messages) for part in reversed(message.parts))
    return next((part.content for part in parts if part.part_kind == "user-prompt"), "")


def _text_in(response: ModelResponse) -> str:
    return "".join(part.content for part in response.parts if part.part_kind == "text")


def _record_native(turn: Turn, response: ModelResponse) -> None:
    """Tools that the model's provider runs by itself, with unknown runtimes."""
    results = {
        get(part, "tool_call_id"): get(part, "content") for part in response.parts if part.part_kind in NATIVE_RETURNS
    }
    for part in response.parts:
        if part.part_kind in NATIVE_CALLS:
            call = turn.call(str_of(get(part, "tool_name")), as_json(get(part, "args")))
            call.end(as_json(results.get(get(part, "tool_call_id"))))
