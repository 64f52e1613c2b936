"""The Antonnia Conversations API: sessions, messages, agents and webhooks, blocking and for asyncio.

    from mindlytics.antonnia import Conversations

    with Conversations(token="…") as conversations:
        session = conversations.sessions.create(contact_id="ada", contact_name="Ada")

The first use of a name below imports it, so ``Conversations`` needs no aiohttp and ``AsyncConversations`` no requests.
:mod:`.types` holds the API's types, :mod:`.exceptions` its errors, and :mod:`.webhooks` reads what it posts to an
application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .aio import AsyncConversations as AsyncConversations
    from .bridge import record as record
    from .client import Conversations as Conversations

_HOMES = {"AsyncConversations": ".aio", "Conversations": ".client", "record": ".bridge"}

__all__ = ["AsyncConversations", "Conversations", "record"]

if not TYPE_CHECKING:  # which sees the imports above, and no other name
    __getattr__, __dir__ = lazy(__name__, _HOMES)
