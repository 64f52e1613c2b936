"""What leaves the program of an event: after its own ``before_send``, with lengths instead of texts, and redacted."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..events import AnyEvent

if TYPE_CHECKING:
    from ..redaction import Redact
    from ..settings import Settings


class Suppressed(Exception):
    """The event must not leave. ``wanted``: the program decided so. Otherwise its ``before_send`` failed."""

    def __init__(self, *, wanted: bool, detail: str = "") -> None:
        self.wanted = wanted
        super().__init__(detail)


def apply_before_send(
    event: AnyEvent, before_send: Callable[[Any], object] | None, *, with_texts: bool, redact: Redact | None
) -> AnyEvent:
    """The event after ``before_send``, without its texts where they stay, and redacted.

    :raises Suppressed: ``before_send`` dropped it or failed.
    """
    if before_send is not None:
        try:
            returned = before_send(event)
        except KeyboardInterrupt:  # Ctrl-C is meant for the program
            raise
        except BaseException as error:
            raise Suppressed(wanted=False, detail=f"before_send raised {type(error).__name__}") from error
        if returned is None:
            raise Suppressed(wanted=True)
        if not isinstance(returned, AnyEvent):
            if inspect.iscoroutine(returned):
                returned.close()
            kind = type(returned).__name__
            raise Suppressed(wanted=False, detail=f"before_send returned a {kind} instead of an event")
        event = returned
    if not with_texts:
        event = event.without_texts()
    return event if redact is None else event.redacted(redact)


def redaction(settings: Settings) -> Redact | None:
    """What redacts texts, as the settings have it."""
    if not settings.redact:
        return None
    from ..redaction import redactor  # noqa: PLC0415  most programs redact nothing, and its patterns take a while

    return redactor(settings.redact)


QUOTE = 8
"""Characters in a row that count as a quote."""


def quotes(words: str, body: bytes) -> bool:
    """Whether a service's message quotes the body that was sent. Such a message is kept out of the log."""
    text = body.decode("utf-8", "replace")
    if len(words) < QUOTE:
        return bool(words) and words in text
    return any(words[at : at + QUOTE] in text for at in range(len(words) - QUOTE + 1))


def is_sampled(session_id: str, rate: float) -> bool:
    """Whether a session is recorded. Its id alone decides, so that all processes agree."""
    return rate >= 1.0 or zlib.crc32(session_id.encode("utf-8", "replace")) < rate * 2**32
