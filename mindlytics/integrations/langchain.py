"""A callback handler that records what LangChain and LangGraph do: chains, agents, graphs, models and tools.

    agent.invoke({"messages": […]}, config={"callbacks": [MindlyticsCallback()]})

A run without a parent is a question, and becomes a turn once it ends (``langchain_runs.py``). ``langchain_messages.py``
reads the inputs and outputs of runs. The handler only takes notes in the calling thread or task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config

from ..values import now
from .fields import first_of, get, str_of
from .langchain_messages import answer_in, calls_of, messages_in, model_named, question_in, speaker_in, usage_in
from .langchain_runs import Question, Run, Runs, end_call
from .quiet import quiet
from .recording import Recorder
from .sessions import THREADS
from .texts import as_json, text_of

if TYPE_CHECKING:
    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession


class MindlyticsCallback(BaseCallbackHandler):
    """Records each question to a chain, an agent, a graph or a model as a turn, with its tool calls.

    Pass it to a run as ``config={"callbacks": [handler]}``, or to a model as ``callbacks=[handler]``. One handler
    serves any number of concurrent runs, in any threads and loops. It never raises or waits.

    :param session: where to record, of either face. Default: the current session at each question.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    """

    run_inline = True
    raise_error = False

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self._runs = Runs(Recorder(session, client))

    # -- chains, agents, graphs ----------------------------------------------------------------------------------

    @quiet
    def on_chain_start(
        self,
        serialized: object,
        inputs: object,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **more: object,
    ) -> None:
        """Called when a chain, an agent, a graph or a part of one begins."""
        metadata = more.get("metadata")
        parent = self._parent(parent_run_id)
        thread_id = None if parent else _thread_in(metadata)
        waiting = None if thread_id is None else self._runs.of_thread(thread_id, inputs)
        run = self._begin(run_id, parent, more, waiting)
        if run.is_root:
            run.question.text = run.question.text or question_in(inputs)
        elif get(metadata, "langgraph_node") is not None:
            self._runs.enter(run)

    @quiet
    def on_chain_end(self, outputs: object, *, run_id: UUID, inputs: object = None, **_: object) -> None:
        """Called when it has returned, or the program stopped reading its stream."""
        question = self._runs.end(run_id)
        if question is None:
            return
        question.text = question.text or question_in(inputs)
        messages = messages_in(outputs)
        question.resolve(messages)
        question.assistant_id = question.assistant_id or speaker_in(messages)
        is_halted, question.is_halted = question.is_halted, False
        is_halted = is_halted or bool(messages and calls_of(messages[-1]))
        if any(run.pieces is not None for run in question.runs.values()):
            self._runs.finish(question, _unfinished(question) or None, cancelled=True)
        elif is_halted and question.thread_id is not None:
            self._runs.wait(question, [("thread", str(question.thread_id))])
        elif messages and question.text is not None:
            self._runs.finish(question, answer_in(outputs))
        else:
            self._runs.settle(question, answer_in(outputs))

    @quiet
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """Called when it has raised or was cancelled."""
        run = self._runs.get(run_id)
        if run is not None and _is_interrupt(error):
            run.question.is_halted = True
        question = self._runs.end(run_id)
        if question is not None:
            question.words = _unfinished(question) or question.words
            self._runs.finish(question, None, error)

    # -- models --------------------------------------------------------------------------------------------------

    @quiet
    def on_chat_model_start(
        self,
        serialized: object,
        messages: Sequence[Sequence[object]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **more: object,
    ) -> None:
        """Called when a chat model is asked."""
        asked = messages[0] if messages else ()
        parent = self._parent(parent_run_id)
        waiting = None if parent else self._runs.of_results(asked)
        self._ask(run_id, parent, asked, more, waiting).question.resolve(asked)

    @quiet
    def on_llm_start(
        self,
        serialized: object,
        prompts: Sequence[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **more: object,
    ) -> None:
        """Called when a text completion model is asked."""
        self._ask(run_id, self._parent(parent_run_id), prompts[0] if prompts else None, more)

    @quiet
    def on_llm_new_token(self, token: object, *, run_id: UUID, **_: object) -> None:
        """Called for a piece of an answer."""
        run = self._runs.get(run_id)
        said = text_of(token)
        if run is not None and run.pieces is not None and said:
            run.pieces.append(said)
            self._runs.turn(run.question).first_token()

    @quiet
    def on_stream_event(self, event: object, *, run_id: UUID, **_: object) -> None:
        """Called for a piece of an answer in a stream of events."""
        if get(event, "event") == "content-block-delta":
            self.on_llm_new_token(get(get(event, "delta"), "text"), run_id=run_id)

    @quiet
    def on_llm_end(self, response: object, *, run_id: UUID, **_: object) -> None:
        """Called when a model has answered."""
        run = self._runs.get(run_id)
        if run is None:
            return
        question, output = run.question, get(response, "llm_output")
        generation = first_of(first_of(get(response, "generations")))
        message = get(generation, "message")
        said = text_of(get(generation, "text") if message is None else get(message, "content"))
        replied = get(message, "response_metadata"), get(generation, "generation_info"), output
        model = model_named(*replied, *run.asked_of)
        self._runs.turn(question).use(usage_in(message, output), model)
        question.words = said or question.words
        calls = {call.id: (call, now()) for call in calls_of(message) if call.id}
        question.asked.update(calls)
        if self._runs.end(run_id) is None:
            return
        if calls:
            self._runs.wait(question, [("call", call_id) for call_id in calls])
        else:
            self._runs.finish(question, said)

    @quiet
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """Called when a model has failed, or the program stopped reading its stream."""
        run = self._runs.get(run_id)
        if run is None:
            return
        question = run.question
        question.words = "".join(run.pieces or ()) or question.words
        self._runs.turn(question).use(None, model_named(*run.asked_of))
        if self._runs.end(run_id) is not None:
            self._runs.finish(question, None, error)

    # -- tools and retrievers ------------------------------------------------------------------------------------

    @quiet
    def on_tool_start(
        self,
        serialized: object,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: object = None,
        tool_call_id: str | None = None,
        **more: object,
    ) -> None:
        """Called when a tool begins."""
        name = str(more.get("name") or get(serialized, "name") or "tool")
        parent, waiting = self._parent(parent_run_id), None
        if parent is None:
            waiting, tool_call_id = self._runs.of_call(tool_call_id, name, inputs)
        run = self._begin(run_id, parent, more, waiting)
        run.call_id = tool_call_id or run.question.id_of(name, inputs)
        run.question.asked.pop(str(run.call_id), None)
        halted = run.question.halted.pop(str(run.call_id), None)
        if halted is not None:
            halted.restart()
        args = as_json(input_str if inputs is None else inputs)
        run.call = halted or self._runs.turn(run.question).call(name, args)
        self._runs.enter(run)

    @quiet
    def on_tool_end(self, output: object, *, run_id: UUID, **_: object) -> None:
        """Called when a tool has returned."""
        run = self._runs.get(run_id)
        if run is not None and run.call is not None:
            end_call(run.call, output)
        self._end_tool(run_id)

    @quiet
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """Called when a tool has raised, was cancelled, or waits for a person."""
        run = self._runs.get(run_id)
        if run is not None and run.call is not None:
            if _is_interrupt(error) and run.call_id is not None:
                run.question.halted[run.call_id] = run.call
                run.question.is_halted = True
            else:
                run.call.fail(error)
        self._end_tool(run_id)

    @quiet
    def on_retriever_start(
        self,
        serialized: object,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **more: object,
    ) -> None:
        """Called when a retriever begins. It is recorded as a tool."""
        run = self._begin(run_id, self._parent(parent_run_id), more)
        name = str(more.get("name") or get(serialized, "name") or "retriever")
        run.call = self._runs.turn(run.question).call(name, as_json({"query": query}))

    @quiet
    def on_retriever_end(self, documents: Sequence[object], *, run_id: UUID, **_: object) -> None:
        """Called when a retriever has returned."""
        self.on_tool_end([get(each, "page_content") for each in documents], run_id=run_id)

    @quiet
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """Called when a retriever has raised."""
        self.on_tool_error(error, run_id=run_id)

    def _end_tool(self, run_id: UUID) -> None:
        question = self._runs.end(run_id)
        if question is not None and not question.is_waiting:
            self._runs.settle(question, None)

    # -- inside --------------------------------------------------------------------------------------------------

    def _parent(self, run_id: UUID | None) -> Run | None:
        """The parent of a run: the one that LangChain names, else the run around the call.

        LangChain names none if a program passes callbacks to an inner call again, or after a fallback.
        """
        run = self._runs.get(run_id)
        if run is not None:
            return run
        around = (var_child_runnable_config.get() or {}).get("callbacks")
        return self._runs.get(getattr(around, "parent_run_id", None))

    def _begin(
        self,
        run_id: UUID,
        parent: Run | None,
        more: Mapping[str, object],
        waiting: Question | None = None,
    ) -> Run:
        run = self._runs.begin(run_id, parent, waiting)
        question = run.question
        if run.is_root and waiting is None:
            question.thread_id = _thread_in(more.get("metadata"))
            question.assistant_id = _agent_in(more)
        elif question.turn is None and question.thread_id is None:
            # the program's configuration reaches the parts of a run, but its callbacks do not
            question.thread_id = _thread_in((var_child_runnable_config.get() or {}).get("configurable"))
        return run

    def _ask(
        self,
        run_id: UUID,
        parent: Run | None,
        asked: object,
        more: Mapping[str, object],
        waiting: Question | None = None,
    ) -> Run:
        """Note a question to a model."""
        run = self._begin(run_id, parent, more, waiting)
        run.pieces = []
        run.asked_of = more.get("metadata"), more.get("invocation_params")
        run.question.models += 1
        if run.question.prompted is None and not run.question.text:
            run.question.prompted = question_in(asked)
        self._runs.turn(run.question)
        return run


def _thread_in(metadata: object) -> object:
    """The program's own id of the conversation, if it has one."""
    if not isinstance(metadata, dict):
        return None
    return next((metadata[name] for name in THREADS if metadata.get(name)), None)


def _agent_in(more: Mapping[str, object]) -> str | None:
    """The name of the agent or graph, if the program gave it one."""
    metadata = more.get("metadata")
    name = str_of(more.get("name")) if get(metadata, "ls_integration") == "langgraph" else ""
    return str_of(get(metadata, "lc_agent_name")) or (None if name == "LangGraph" else name or None)


def _unfinished(question: Question) -> str:
    """The words of models that were cut off."""
    return "".join(piece for run in question.runs.values() for piece in run.pieces or ())


def _is_interrupt(error: BaseException) -> bool:
    """Whether a graph waits for a person."""
    return any(kind.__name__ == "GraphInterrupt" for kind in type(error).__mro__)
