"""What of an event leaves the program: the program's own ``before_send``, and lengths instead of texts."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable
from typing import Any

from ..events import AnyEvent


class Withheld(Exception):
    """The event must not leave. ``wanted``: so the program decided; else its ``before_send`` failed."""

    def __init__(self, *, wanted: bool, detail: str = "") -> None:
        self.wanted = wanted
        super().__init__(detail)


def released(event: AnyEvent, before_send: Callable[[Any], Any] | None, *, with_texts: bool) -> AnyEvent:
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
        if not isinstance(event, AnyEvent):
            if inspect.iscoroutine(event):
                event.close()
            raise Withheld(wanted=False, detail=f"before_send gave a {type(event).__name__}, not an event or None")
    return event if with_texts else event.without_texts()


QUOTE = 8
"""Characters in a row that two texts have in common where one quotes the other."""


def quotes(words: str, body: bytes) -> bool:
    """Whether a service's words repeat something of the body that it was sent. Then they are not logged."""
    text = body.decode("utf-8", "replace")
    if len(words) < QUOTE:
        return bool(words) and words in text
    return any(words[at : at + QUOTE] in text for at in range(len(words) - QUOTE + 1))


def is_sampled(session_id: str, rate: float) -> bool:
    """Whether a session is recorded: decided by its id alone, so that all processes decide alike."""
    return rate >= 1.0 or zlib.crc32(session_id.encode("utf-8", "replace")) < rate * 2**32
