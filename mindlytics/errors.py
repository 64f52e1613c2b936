"""Every error that the package raises on purpose, as a tree.

MindlyticsError
 ├── InvalidEvent      (also a ValueError)  an argument of a call breaks a rule, so the call queued nothing
 │    └── ValidationError                    the same for the calls of ``mindlytics.align``
 ├── InvalidSetting    (also a ValueError)  a setting breaks a rule or is missing
 ├── ClientClosed      an event came after ``close()`` and the client is strict
 ├── DeliveryError     passed to ``on_error``: events were lost, and why
 ├── LiveError         the service reports a problem, or refuses to send live events
 └── MLHTTPError       the service answered a direct request with an error, or could not be reached

Messages name fields, types and rules. They never quote an event's content or the API key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OnError = Callable[[Any], object]
"""A program's handler of errors. It takes those of its kind: a ``DeliveryError``, a ``LiveError``, or any exception."""

MISSING: Any = object()
"""The value of an argument that was left out."""


class MindlyticsError(Exception):
    """The root of all errors of this package."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle an error of any signature by its message and attributes."""
        return _made_again, (type(self), self.args), self.__dict__


class InvalidEvent(MindlyticsError, ValueError):
    """An argument breaks a rule of the event. The call had no effect.

    :param field: the argument's name, as in the call.
    :param rule: what it must be, in words that follow "must be".
    :param value: the wrong value. The message holds only its type, and a text's length.
    """

    def __init__(self, field: str, rule: str, value: object) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field} must be {rule}, got {_shape(value)}")


class ValidationError(InvalidEvent):
    """The same for the calls of :mod:`mindlytics.align`."""

    @property
    def message(self) -> str:
        """What is wrong, in words."""
        return str(self)


class InvalidSetting(MindlyticsError, ValueError):
    """A setting, from an argument or the environment, breaks a rule or is missing."""


class ClientClosed(MindlyticsError):
    """A closed client with ``strict`` on received an event."""


class DeliveryError(MindlyticsError):
    """Some accepted events will not arrive.

    :param reason: ``"refused"`` (by the service), or the name of a drop reason.
    :param count: how many events.
    :param status: the HTTP status behind it, or 0.
    :param detail: the service's message, or why the events were dropped.
    """

    def __init__(self, reason: str, count: int, status: int, detail: str) -> None:
        self.reason = reason
        self.count = count
        self.status = status
        self.message = detail
        events = "1 event" if count == 1 else f"{count} events"
        code = f" (status {status})" if status else ""
        super().__init__(f"{events} not delivered, {reason}{code}: {detail}")


class LiveError(MindlyticsError):
    """A problem with live events: the service reports one (``MLError``), or it refuses to send events.

    :param message: the service's message.
    :param status: the HTTP status of the refusal, or 0 for a reported problem.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.message = message
        self.status = status
        super().__init__(f"no live events (status {status}): {message}" if status else message)


class MLHTTPError(MindlyticsError):
    """A direct request to the service failed.

    :param status: the HTTP status of the reply, or 0 without a reply.
    :param message: the service's message, or the network error in words.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(f"{status} - {message}" if status else message)


def _shape(value: object) -> str:
    if value is MISSING:
        return "nothing"
    kind = type(value).__name__
    if issubclass(type(value), str):  # isinstance could ask the value, which may lie
        length = str.__len__(value)  # type: ignore[arg-type]
        return f"{kind} of {length} character{'' if length == 1 else 's'}"
    return kind


def _made_again(kind: type[MindlyticsError], args: tuple[object, ...]) -> MindlyticsError:
    return kind.__new__(kind, *args)
