"""Every error that the package raises on purpose; the tree at a glance.

MindlyticsError
 ├── InvalidEvent      (also a ValueError)  an argument of a call breaks a rule; nothing was queued
 │    └── ValidationError                    the same for the calls of ``mindlytics.align``
 ├── InvalidSetting    (also a ValueError)  a client cannot be made of these settings
 ├── ClientClosed      an event came after ``close()`` and the client is strict
 ├── DeliveryError     handed to ``on_error``, never raised: events were lost, and why
 ├── LiveError         the service met a problem while processing, or refuses to send live events
 └── MLHTTPError       the service answered a direct request with an error, or could not be reached

Messages name fields, types and rules. They never quote what an event says, nor the API key.
"""

from __future__ import annotations

from typing import Any

MISSING: Any = object()
"""The value of an argument that was left out."""


class MindlyticsError(Exception):
    """The root of all errors of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross processes, whatever arguments they are made of: the message and the attributes do."""
        return _made_again, (type(self), self.args), self.__dict__


class InvalidEvent(MindlyticsError, ValueError):
    """An argument breaks a rule of the event; the call had no effect.

    :param field: the argument's name, as in the call.
    :param rule: what it must be, in words that follow "must be".
    :param value: what was passed; only its type (and length) enters the message.
    """

    def __init__(self, field: str, rule: str, value: object) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field} must be {rule}, got {_shape(value)}")


class ValidationError(InvalidEvent):
    """The same for the calls of :mod:`mindlytics.align`."""


class InvalidSetting(MindlyticsError, ValueError):
    """A setting, given as an argument or in the environment, cannot be used."""


class ClientClosed(MindlyticsError):
    """An event was given to a closed client whose ``strict`` setting is on."""


class DeliveryError(MindlyticsError):
    """Some accepted events will not arrive.

    :param reason: ``"refused"`` (the service said no) or the name of a drop reason.
    :param count: how many events.
    :param status: the HTTP status that decided it, 0 where none did.
    :param detail: the service's own message, or why nothing was sent.
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
    """Something is wrong with live events: the service reports a problem (``MLError``), or it refuses to send any.

    :param message: the service's own words.
    :param status: the HTTP status with which live events were refused; 0 where the service reports a problem.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.message = message
        self.status = status
        super().__init__(f"no live events (status {status}): {message}" if status else message)


class MLHTTPError(MindlyticsError):
    """A direct request to the service failed.

    :param status: the HTTP status of the reply; 0 where none came.
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
    if issubclass(type(value), str):  # isinstance asks the value, which may answer anything
        length = str.__len__(value)  # type: ignore[arg-type]
        return f"{kind} of {length} character{'' if length == 1 else 's'}"
    return kind


def _made_again(kind: type[MindlyticsError], args: tuple[Any, ...]) -> MindlyticsError:
    return kind.__new__(kind, *args)
