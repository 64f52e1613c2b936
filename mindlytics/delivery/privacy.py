"""What of an event leaves the program: the program's own ``before_send``, and lengths instead of texts."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from ..events import ConversationFunction, ConversationTurn, Event
from ..values import Scalar

TEXTS: Mapping[type[Event], Mapping[str, Any]] = {
    ConversationTurn: {"user": "", "assistant": ""},
    ConversationFunction: {"args": None, "result": None},
}
"""What people and functions say, by the fields that hold it, and what stands there when it is not sent."""


class Withheld(Exception):
    """The event must not leave. ``wanted``: so the program decided; else its ``before_send`` failed."""

    def __init__(self, *, wanted: bool, detail: str = "") -> None:
        self.wanted = wanted
        super().__init__(detail)


def released(event: Event, before_send: Callable[[Any], Any] | None, *, with_texts: bool) -> Event:
    """The event as it may leave.

    :raises Withheld: it may not.
    """
    if before_send is not None:
        try:
            event = before_send(event)
        except KeyboardInterrupt:  # it is meant for the program, not for the hook
            raise
        except BaseException as error:
            raise Withheld(wanted=False, detail=f"before_send raised {type(error).__name__}") from error
        if event is None:
            raise Withheld(wanted=True)
        if not isinstance(event, Event):
            if inspect.iscoroutine(event):
                event.close()
            raise Withheld(wanted=False, detail=f"before_send gave a {type(event).__name__}, not an event or None")
    return event if with_texts else without_texts(event)


def without_texts(event: Event) -> Event:
    """The event with ``<field>_length`` among its properties for each text that it held, in characters."""
    blanks = TEXTS.get(type(event))
    if blanks is None:
        return event
    texts = {name: getattr(event, name) for name in blanks}
    lengths: dict[str, Scalar] = {f"{name}_length": len(text) for name, text in texts.items() if text is not None}
    changes: dict[str, Any] = {**blanks, "properties": {**getattr(event, "properties", {}), **lengths}}
    return evolve(event, **changes)


def is_sampled(session_id: str, rate: float) -> bool:
    """Whether a session is recorded: decided by its id alone, so that all processes decide alike."""
    return rate >= 1.0 or zlib.crc32(session_id.encode("utf-8", "replace")) < rate * 2**32
