"""A callback for LangChain's chat models that records each call as a turn.

    model = ChatOpenAI(model=…, callbacks=[MLChatRecorderCallback(session)])

It needs ``langchain-core``, which programs that use it have: LangChain takes subclasses of its own handler only.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler

from .. import Session, TokenBasedCost
from . import name_of_model, text_of


class MLChatRecorderCallback(AsyncCallbackHandler):  # type: ignore[misc]  # it has no types where it is not installed
    """Records the last thing the user said, what the model answered, and the tokens, where the model tells them.

    :param session: where turns are recorded.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._said: dict[UUID, str] = {}
        """What the user said, for each call of the model that has not ended."""

    async def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **_: Any) -> None:
        """The model is asked."""
        said = (message.content for message in reversed(messages[0]) if message.type == "human")
        self._said[run_id] = text_of(next(said, ""))

    async def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """It has answered."""
        answer = response.generations[0][0]
        message = getattr(answer, "message", None)
        used = getattr(message, "usage_metadata", None)
        usage = None
        if message is not None and used:
            told = {**(response.llm_output or {}), **(answer.generation_info or {}), **message.response_metadata}
            usage = TokenBasedCost(name_of_model(told.get("model_name")), used["input_tokens"], used["output_tokens"])
        await self.session.track_conversation_turn(
            user=self._said.pop(run_id, ""),
            assistant=answer.text if message is None else text_of(message.content),
            usage=usage,
        )

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It has failed: there is no turn."""
        self._said.pop(run_id, None)
