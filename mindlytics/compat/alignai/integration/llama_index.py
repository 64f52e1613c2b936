"""A memory of LlamaIndex that records what the user and the assistant say.

    memory = ChatMemory(ChatMemoryBuffer.from_defaults(), align_client=align, session_id="s-1", user_id="ada")

The memory itself is in another one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.memory import BaseMemory

from ....align import DEFAULT_ASSISTANT_ID, ROLE_ASSISTANT, ROLE_USER
from ....integrations.quiet import quiet
from ..utils import CustomProperties
from . import UserInfo, begin

__all__ = ["ChatMemory", "UserInfo"]

ROLES = {MessageRole.USER: ROLE_USER, MessageRole.ASSISTANT: ROLE_ASSISTANT}


class ChatMemory(BaseMemory):
    """A memory that records its messages in a session of Align AI, which it opens.

    It has the attributes of the memory that it stands before, such as ``token_limit``.

    :param chat_memory: the memory that keeps the messages.
    :param align_client: the client.
    :param user_info: who the user is. If it holds anything, the user is identified.
    :raises ValidationError: an argument breaks a rule.
    """

    chat_memory: BaseMemory
    align_client: Any
    session_id: str
    user_id: str
    assistant_id: str = DEFAULT_ASSISTANT_ID
    user_info: Any = None  # pydantic takes no TypedDict of typing before Python 3.12

    def __init__(  # noqa: PLR0917  the order of that package
        self,
        chat_memory: BaseMemory,
        align_client: Any,
        session_id: str,
        user_id: str,
        assistant_id: str = DEFAULT_ASSISTANT_ID,
        user_info: UserInfo | None = None,
    ) -> None:
        super().__init__(
            chat_memory=chat_memory,
            align_client=align_client,
            session_id=session_id,
            user_id=user_id,
            assistant_id=assistant_id,
            user_info=user_info,
        )
        begin(align_client, session_id, user_id, assistant_id, user_info)

    def __getattr__(self, name: str) -> Any:
        memory = self.__dict__.get("chat_memory")
        if memory is None or name.startswith("_"):
            return super().__getattr__(name)
        return getattr(memory, name)

    @classmethod
    def class_name(cls) -> str:
        """The class's name, for LlamaIndex."""
        return "ChatMemory"

    @classmethod
    def from_defaults(cls, **_: Any) -> ChatMemory:
        """Raise: a memory needs a client and ids.

        :raises NotImplementedError: always.
        """
        raise NotImplementedError("ChatMemory needs a client and ids: call ChatMemory(…)")

    def get(self, input: str | None = None, **options: Any) -> list[ChatMessage]:
        """The messages of the memory that fit."""
        return self.chat_memory.get(input, **options)  # type: ignore[no-any-return]

    def get_all(self) -> list[ChatMessage]:
        """All messages of the memory."""
        return self.chat_memory.get_all()  # type: ignore[no-any-return]

    def put(self, message: ChatMessage) -> None:
        """Record a message if the user or the assistant says something, and put it into the memory."""
        self._record(message)
        self.chat_memory.put(message)

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace the messages of the memory. None of them is recorded."""
        self.chat_memory.set(messages)

    def reset(self) -> None:
        """Empty the memory."""
        self.chat_memory.reset()

    def identify_user(  # noqa: PLR0917  the order of that package
        self,
        email: str | None = None,
        ip: str | None = None,
        country_code: str | None = None,
        create_time: datetime | None = None,
        display_name: str | None = None,
        custom_properties: CustomProperties | None = None,
    ) -> None:
        """Record who the session's user is, see :meth:`mindlytics.align.AlignAI.identify_user`."""
        self.align_client.identify_user(
            self.user_id, display_name, email, ip, country_code, create_time, custom_properties
        )

    def close(self) -> None:
        """Close the session."""
        self.align_client.close_session(self.session_id)

    @quiet
    def _record(self, message: ChatMessage) -> None:
        if message.role in ROLES and message.content:
            place = 1 + sum(each.role in ROLES for each in self.get_all())
            self.align_client.create_message(self.session_id, place, ROLES[message.role], message.content)
