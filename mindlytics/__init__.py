"""Records conversations between people and AI assistants, and delivers them in the background.

    from mindlytics import Client

    with Client(api_key="…", project_id="…") as client, client.create_session(id="jj") as session:
        session.track_conversation_turn(user="Hello!", assistant="Good morning.")

The first use of a name below imports it, so ``Client`` needs no aiohttp and ``AsyncClient`` no requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .aio import AsyncClient as AsyncClient
    from .aio import AsyncSession as AsyncSession
    from .client import Client as Client
    from .client import Session as Session
    from .context import current as current
    from .context import current_session as current_session
    from .delivery.account import APIResponse as APIResponse
    from .delivery.account import FlushResult as FlushResult
    from .delivery.account import Stats as Stats
    from .errors import ClientClosed as ClientClosed
    from .errors import DeliveryError as DeliveryError
    from .errors import InvalidEvent as InvalidEvent
    from .errors import InvalidSetting as InvalidSetting
    from .errors import LiveError as LiveError
    from .errors import MindlyticsError as MindlyticsError
    from .errors import MLHTTPError as MLHTTPError
    from .http import AsyncHTTPClient as AsyncHTTPClient
    from .http import HTTPClient as HTTPClient
    from .live.event import MLEvent as MLEvent
    from .observing import observe as observe
    from .recorded.reading import read as read
    from .usage import Cost as Cost
    from .usage import TokenBasedCost as TokenBasedCost

_HOMES = {
    "APIResponse": ".delivery.account",
    "AsyncClient": ".aio",
    "AsyncHTTPClient": ".http",
    "AsyncSession": ".aio",
    "Client": ".client",
    "ClientClosed": ".errors",
    "Cost": ".usage",
    "DeliveryError": ".errors",
    "FlushResult": ".delivery.account",
    "HTTPClient": ".http",
    "InvalidEvent": ".errors",
    "InvalidSetting": ".errors",
    "LiveError": ".errors",
    "MLEvent": ".live.event",
    "MLHTTPError": ".errors",
    "MindlyticsError": ".errors",
    "Session": ".client",
    "Stats": ".delivery.account",
    "TokenBasedCost": ".usage",
    "current": ".context",
    "current_session": ".context",
    "observe": ".observing",
    "read": ".recorded.reading",
}

__all__ = [  # noqa: PLE0604  the names of the table above
    *_HOMES
]

if not TYPE_CHECKING:  # which sees the imports above, and no other name
    __getattr__, __dir__ = lazy(__name__, _HOMES)
