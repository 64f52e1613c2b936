"""The names of ``antonnia.conversations``: ``from mindlytics.compat.antonnia.conversations import Conversations``.

This is :class:`mindlytics.antonnia.AsyncConversations` with the arguments and defaults of that client. Its types are in
``types`` and its errors in ``exceptions``. The documentation's page on migrating lists what differs.
"""

from __future__ import annotations

from .client import Conversations

__all__ = ["Conversations"]
