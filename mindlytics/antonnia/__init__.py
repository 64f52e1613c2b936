"""The Antonnia Conversations API: sessions, messages, agents and webhooks, blocking and for asyncio.

    from mindlytics.antonnia import Conversations

    with Conversations(token="…") as conversations:
        session = conversations.sessions.create(contact_id="ada", contact_name="Ada")

The first use of a name below imports it, so ``Conversations`` needs no aiohttp and ``AsyncConversations`` no requests.
:mod:`.types` holds the API's types, :mod:`.exceptions` its errors, and :mod:`.webhooks` reads what it posts to an
application.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aio import AsyncConversations as AsyncConversations
    from .bridge import record as record
    from .client import Conversations as Conversations

_HOMES = {"AsyncConversations": "aio", "Conversations": "client", "record": "bridge"}

__all__ = ["AsyncConversations", "Conversations", "record"]


if not TYPE_CHECKING:  # which sees the imports above, and no other name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
