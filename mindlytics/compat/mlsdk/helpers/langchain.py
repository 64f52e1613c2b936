"""A callback that records the questions to LangChain's chat models as turns.

model = ChatOpenAI(model=…, callbacks=[MLChatRecorderCallback(session)])
"""

from __future__ import annotations

from ....integrations.langchain import MindlyticsCallback
from ....integrations.langchain_runs import Runs
from .. import Session
from . import OwnConversation


class MLChatRecorderCallback(MindlyticsCallback):
    """A :class:`~mindlytics.integrations.langchain.MindlyticsCallback` of one session and its conversation.

    :param session: where turns are recorded.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._runs = Runs(OwnConversation(session))
