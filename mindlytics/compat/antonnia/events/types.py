"""The events of that package, whose calls read JSON fields. Each stands for a class of ``plain.py``."""

from __future__ import annotations

from ...reading import replace_with_readings
from .plain import (
    AppConnectionCreated,
    AppConnectionCreatedData,
    Event,
    EventBase,
    MessageCreated,
    MessageCreatedData,
    SessionCreated,
    SessionCreatedData,
    SessionFinished,
    SessionFinishedData,
    SessionTransferred,
    SessionTransferredData,
)

__all__ = [
    "AppConnectionCreated",
    "AppConnectionCreatedData",
    "Event",
    "EventBase",
    "MessageCreated",
    "MessageCreatedData",
    "SessionCreated",
    "SessionCreatedData",
    "SessionFinished",
    "SessionFinishedData",
    "SessionTransferred",
    "SessionTransferredData",
]

replace_with_readings(globals(), __all__)
