"""Models of LangChain with scripted answers, the tools of their agents, and a handler that records them."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from mindlytics.integrations.langchain import MindlyticsCallback

from ..conftest import Face
from ..sink import Sink
from .fakes import Session

ASKED = {"messages": [("user", "2 + 3?")]}


class Model(GenericFakeChatModel):
    """Answers one reply after the other. It knows no tools, and may be bound to them."""

    def bind_tools(self, *_: Any, **__: Any) -> Model:
        return self


def model(*replies: Any, **more: Any) -> Model:
    return Model(messages=iter(replies), **more)


def reply(content: Any = "", read: int = 0, written: int = 0, *asked: dict[str, Any], **more: Any) -> AIMessage:
    counted = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    return AIMessage(content=content, usage_metadata=counted if read else None, tool_calls=list(asked), **more)


def asks(name: str, call_id: str = "", **args: Any) -> dict[str, Any]:
    """A call of a tool."""
    return {"id": call_id or f"call-{name}", "name": name, "args": args}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def explode(a: int, b: int) -> int:
    """Raise an error."""
    raise ValueError("a secret of the user")


class Recorded(Session):
    """A handler of a session of one face, and the configuration of its runs."""

    def __init__(self, face: Face, sink: Sink) -> None:
        super().__init__(face, sink)
        self.handler = MindlyticsCallback(self.session)
        self.config: Any = {"callbacks": [self.handler]}

    def in_thread(self, thread_id: str) -> Any:
        return {**self.config, "configurable": {"thread_id": thread_id}}

    async def flush(self) -> Sink:
        assert {} == self.handler._runs._runs
        return await super().flush()
