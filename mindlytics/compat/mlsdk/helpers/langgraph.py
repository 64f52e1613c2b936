"""A hook for LangGraph's agents that records each turn and its function calls.

    agent = create_react_agent(…, post_model_hook=MLPostModellHook(model_name="gpt-4o"), version="v2")
    await agent.ainvoke({"messages": […]}, config={"configurable": {"session": session}})

LangGraph calls the hook only after replies of the model, not for tools or failures. So the first hook registers a
callback with LangChain for all runs of the process. The callback records those configured with a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import register_configure_hook

from ....integrations.langchain import MindlyticsCallback
from ....integrations.langchain_messages import ASSISTANT, HUMAN, calls_of, kind_of, messages_in, said_by, usage_in
from ....integrations.langchain_runs import Question, Run, Runs
from ....integrations.quiet import quiet
from ....integrations.recording import Recorder, Turn
from ....session import BaseSession
from ....usage import UNKNOWN_MODEL
from ....validators import MAX_NAME
from ....values import now
from . import OwnConversation

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig


class _ConfiguredRecorder(Recorder):
    """Records in the session that the current run was configured with."""

    def turn(self, user: str = "", *, at: datetime | None = None, **more: object) -> Turn:
        session = _session_in(var_child_runnable_config.get())
        if session is None:
            return Turn(None, user, None, None, at)
        return OwnConversation(session).turn(user, at=at, **more)


class _ConfiguredRuns(Runs):
    """Runs whose session is known once a model or a tool begins."""

    def enter(self, run: Run) -> None:
        if run.question.turn is not None:
            super().enter(run)


class _Watcher(MindlyticsCallback):
    def __init__(self) -> None:
        self._runs = _ConfiguredRuns(_ConfiguredRecorder())

    def question_of(self, config: RunnableConfig | None) -> Question | None:
        """The question that this part of a run belongs to."""
        run = self._runs.get(getattr((config or {}).get("callbacks"), "parent_run_id", None))
        return None if run is None else run.question


_watcher: ContextVar[_Watcher | None] = ContextVar("mindlytics_watcher", default=_Watcher())  # noqa: B039  one is enough
_registered: list[bool] = []


class MLPostModellHook(Runnable[Any, Any]):
    """Called with the state after every reply of the model.

    :param model_name: the model's name if the replies lack it, cut to 100 characters. Default ``unknown``.
    """

    def __init__(self, model_name: str | None = None) -> None:
        self.model_name: str = (model_name if isinstance(model_name, str) else "")[:MAX_NAME] or UNKNOWN_MODEL
        if not _registered:
            _registered.append(True)
            register_configure_hook(_watcher, inheritable=True)

    @quiet
    def _note(self, state: object, config: RunnableConfig | None) -> None:
        watcher = _watcher.get()
        question = None if watcher is None else watcher.question_of(config)
        if question is None:
            self._record(state, _session_in(config))
        elif question.turn is not None:
            question.turn.unnamed_model = self.model_name

    def _record(self, state: object, session: Any) -> None:
        """Record the newest turn of a state, outside of any run of LangChain."""
        messages = messages_in(state)
        begin = max((at for at, message in enumerate(messages) if kind_of(message) in HUMAN), default=None)
        if session is None or begin is None or calls_of(messages[-1]) or kind_of(messages[-1]) not in ASSISTANT:
            return
        question = Question(text=said_by(messages[begin]))
        question.turn = turn = OwnConversation(session).turn(question.text or "")
        for message in messages[begin + 1 :]:
            if kind_of(message) in ASSISTANT:
                turn.use(usage_in(message, None), self.model_name)
            question.asked.update({str(call.id): (call, now()) for call in calls_of(message)})
            question.resolve([message])
        turn.end(said_by(messages[-1]))

    def invoke(self, input: object, config: RunnableConfig | None = None, **_: object) -> None:
        """Note a reply. LangGraph calls this, or :meth:`ainvoke`."""
        self._note(input, config)

    async def ainvoke(self, input: object, config: RunnableConfig | None = None, **_: object) -> None:
        """Note a reply."""
        self._note(input, config)

    async def __call__(self, state: Mapping[str, object], config: RunnableConfig) -> None:
        """Record the newest turn in the session that ``config["configurable"]["session"]`` holds, if it is complete."""
        self._note(state, config)


def _session_in(config: RunnableConfig | None) -> Any:
    session = ((config or {}).get("configurable") or {}).get("session")
    return session if isinstance(session, BaseSession) else None
