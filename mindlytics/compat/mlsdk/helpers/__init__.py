"""The names of ``mlsdk.helpers``: recorders for AI frameworks, a module for each.

Both stand on :mod:`mindlytics.integrations.langchain`.
"""

from __future__ import annotations

from typing import Any

from ....integrations.recording import Recorder, Turn


class OwnConversation(Recorder):
    """Records in the conversation of its session, whatever the framework's thread is."""

    def turn(self, user: str = "", *, thread_id: object = None, **more: Any) -> Turn:
        return super().turn(user, **more)
