"""What tests of mirrors share: a client with a destination, and what the destination received."""

from __future__ import annotations

from typing import Any

from mindlytics.align import AlignAI, AsyncAlignAI

from ..conftest import Face
from ..sink import Sink


def both(face: Face, other: Sink, **settings: Any) -> Any:
    kind = AsyncAlignAI if face.is_async else AlignAI
    return face.client(destinations=[kind("p", "k", other.url, max_retry_wait=0.05)], **settings)


def received(sink: Sink) -> list[tuple[Any, ...]]:
    """What Align AI received, in short."""
    found: list[tuple[Any, ...]] = []
    for it in (event["decoded"] for event in sink.events):
        names = ("user_id", "assistant_id", "message_index", "role", "content", "feedback_type")
        found.append((it.type, *(getattr(it, name) for name in names if getattr(it, name, None) is not None)))
    return found
