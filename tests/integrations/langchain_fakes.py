"""Models of LangChain with scripted answers, and the tools of their agents."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage


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
