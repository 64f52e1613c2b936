"""A hook for LangGraph's agents that records each turn and the functions that were called for it.

    agent = create_react_agent(…, post_model_hook=MLPostModellHook(model_name="gpt-4o"), version="v2")
    await agent.ainvoke({"messages": […]}, config={"configurable": {"session": session}})

Messages are told apart by their ``type``; neither LangGraph nor LangChain is imported.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import Session, TokenBasedCost
from . import name_of_model, text_of

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

HUMAN = frozenset({"human", "HumanMessageChunk"})
ASSISTANT = frozenset({"ai", "AIMessageChunk"})


class MLPostModellHook:
    """Called with the state after every reply of the model; records once the model has answered in words.

    :param model_name: whose tokens they are, of which 100 characters are kept; ``unknown`` where it is not given.
    """

    def __init__(self, model_name: str | None = None) -> None:
        self.model_name = name_of_model(model_name)
        self._asked_at: dict[str, float] = {}
        """When a function call that has not been recorded yet was first seen, by the call's id."""

    async def __call__(self, state: Mapping[str, Any], config: RunnableConfig) -> None:
        """Record the newest turn in the session that ``config["configurable"]["session"]`` holds, if it is complete."""
        messages: Sequence[Any] = state.get("messages") or ()
        begin = max((at for at, message in enumerate(messages) if message.type in HUMAN), default=None)
        if begin is None:
            return
        turn = messages[begin:]
        for message in turn:
            for call in getattr(message, "tool_calls", ()):
                self._asked_at.setdefault(call["id"], time.monotonic())
        answer = text_of(turn[-1].content) if turn[-1].type in ASSISTANT else ""
        session: Session | None = (config.get("configurable") or {}).get("session")
        if answer and session is not None:
            await self._record(session, turn, answer)

    async def _record(self, session: Session, turn: Sequence[Any], answer: str) -> None:
        replies = _since_last_answer(turn)
        used = [message.usage_metadata for message in replies if getattr(message, "usage_metadata", None)]
        turn_id = str(uuid.uuid4())
        await session.track_conversation_turn(
            user=text_of(turn[0].content),
            assistant=answer,
            usage=TokenBasedCost(
                model=self.model_name,
                prompt_tokens=sum(usage["input_tokens"] for usage in used),
                completion_tokens=sum(usage["output_tokens"] for usage in used),
            ),
            properties={"turn_id": turn_id},
        )
        calls = {call["id"]: call for message in turn for call in getattr(message, "tool_calls", ())}
        for message in turn:
            call = calls.get(getattr(message, "tool_call_id", None))
            asked_at = self._asked_at.pop(call["id"], None) if call is not None else None
            if call is None or asked_at is None:
                continue
            await session.track_function_call(
                name=call["name"],
                args=json.dumps(call["args"], default=str),
                result=text_of(message.content),
                runtime=round((time.monotonic() - asked_at) * 1000),
                properties={"turn_id": turn_id},
            )


def _since_last_answer(turn: Sequence[Any]) -> Sequence[Any]:
    """The messages whose tokens were not recorded yet: those after the answer in words before this one."""
    answered = (at for at, message in enumerate(turn[:-1]) if message.type in ASSISTANT and text_of(message.content))
    return turn[max(answered, default=0) + 1 :]
