"""The names of ``mlsdk.helpers``: recorders for AI frameworks, one module each.

Both use :mod:`mindlytics.integrations.langchain`.
"""

from __future__ import annotations

from typing import Any

from ....integrations.recording import Recorder, Turn


class OwnConversation(Recorder):
    """Records in its session's conversation and ignores the framework's thread."""

    def turn(self, user: str = "", *, thread_id: object = None, **more: Any) -> Turn:
        return super().turn(user, **more)
