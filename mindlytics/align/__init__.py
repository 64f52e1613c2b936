"""Align AI's calls, blocking and for asyncio. This package delivers the events.

    from mindlytics.align import ROLE_USER, AlignAI

    with AlignAI(project_id="…", api_key="…") as align:
        align.open_session("s-1", "ada")
        align.create_message("s-1", 1, ROLE_USER, "Hello!")
        align.close_session("s-1")

Needs protobuf: ``pip install 'mindlytics[align]'``. The first use of a name below imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from ..errors import ValidationError as ValidationError
    from .aio import AsyncAlignAI as AsyncAlignAI
    from .client import AlignAI as AlignAI
    from .events import DEFAULT_ASSISTANT_ID as DEFAULT_ASSISTANT_ID
    from .events import FEEDBACK_THUMBS_DOWN as FEEDBACK_THUMBS_DOWN
    from .events import FEEDBACK_THUMBS_UP as FEEDBACK_THUMBS_UP
    from .events import ROLE_ASSISTANT as ROLE_ASSISTANT
    from .events import ROLE_USER as ROLE_USER
    from .settings import Config as Config

_HOMES = {
    "DEFAULT_ASSISTANT_ID": ".events",
    "FEEDBACK_THUMBS_DOWN": ".events",
    "FEEDBACK_THUMBS_UP": ".events",
    "ROLE_ASSISTANT": ".events",
    "ROLE_USER": ".events",
    "AlignAI": ".client",
    "AsyncAlignAI": ".aio",
    "Config": ".settings",
    "ValidationError": "..errors",
}

__all__ = [  # noqa: PLE0604  the names of the table above
    *_HOMES
]

if not TYPE_CHECKING:  # which sees the imports above, and no other name
    __getattr__, __dir__ = lazy(__name__, _HOMES)
