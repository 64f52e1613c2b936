"""A history of LangChain that records what the user and the assistant say.

    history = ChatMessageHistory(InMemoryChatMessageHistory(), sdk=align, session_id="s-1", user_id="ada")

The history itself is in another one, its backend.
"""

from __future__ import annotations

from datetime import datetime

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from ....align import DEFAULT_ASSISTANT_ID, ROLE_ASSISTANT, ROLE_USER, AlignAI
from ....integrations.langchain_messages import said_by
from ....integrations.quiet import quiet
from ..utils import CustomProperties
from . import UserInfo, begin

__all__ = ["ChatMessageHistory", "UserInfo"]


class ChatMessageHistory(BaseChatMessageHistory):
    """A history that records its messages in a session of Align AI, which it opens.

    :param history_backend: the history that keeps the messages.
    :param sdk: the client.
    :param user_info: who the user is. If it holds anything, the user is identified.
    :raises ValidationError: an argument breaks a rule.
    """

    def __init__(  # noqa: PLR0917  the order of that package
        self,
        history_backend: BaseChatMessageHistory,
        sdk: AlignAI,
        session_id: str,
        user_id: str,
        assistant_id: str = DEFAULT_ASSISTANT_ID,
        user_info: UserInfo | None = None,
    ) -> None:
        self.backend = history_backend
        self.sdk = sdk
        self.session_id = session_id
        self.user_id = user_id
        begin(sdk, session_id, user_id, assistant_id, user_info)

    @property
    def messages(self) -> list[BaseMessage]:
        """The messages of the backend."""
        return self.backend.messages  # type: ignore[no-any-return]

    def add_message(self, message: BaseMessage) -> None:
        """Record a message if the user or the assistant says something, and add it to the backend."""
        self._record(message)
        self.backend.add_message(message)

    def clear(self) -> None:
        """Clear the backend."""
        self.backend.clear()

    def identify_user(  # noqa: PLR0917  the order of that package
        self,
        display_name: str | None = None,
        email: str | None = None,
        ip: str | None = None,
        country_code: str | None = None,
        create_time: datetime | None = None,
        custom_properties: CustomProperties | None = None,
    ) -> None:
        """Record who the session's user is, see :meth:`mindlytics.align.AlignAI.identify_user`."""
        self.sdk.identify_user(self.user_id, display_name, email, ip, country_code, create_time, custom_properties)

    def close(self) -> None:
        """Close the session."""
        self.sdk.close_session(self.session_id)

    @quiet
    def _record(self, message: BaseMessage) -> None:
        if isinstance(message, (HumanMessage, AIMessage)) and (text := said_by(message)):
            role = ROLE_USER if isinstance(message, HumanMessage) else ROLE_ASSISTANT
            place = 1 + sum(isinstance(each, (HumanMessage, AIMessage)) for each in self.messages)
            self.sdk.create_message(self.session_id, place, role, text)
