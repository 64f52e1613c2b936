"""The deadline for pending events at an end, and whether waiting for it is in vain."""

from __future__ import annotations

from collections.abc import Callable

from .waiting import FOREVER, GRACE, clock

HOPELESS = 1.5
"""Seconds that an ending program waits for a service that has failed from the start."""


class Ending:
    """The end of a client or a program, and how patient it is with the service.

    :param is_kept: returns whether the pending events are safe on disk while the service fails, so that
        waiting is needless.
    """

    def __init__(self, is_kept: Callable[[], bool]) -> None:
        self.deadline: float = FOREVER
        """Requests and waits end by then, on the monotonic clock."""
        self.gives_up: bool = False
        """Whether events still pending at the deadline are dropped, since the client or program ends."""
        self.since: float = FOREVER
        """When the ending began."""
        self.was_answered = False
        """Whether the service has answered any request properly."""
        self.failures: int = 0
        """How many attempts failed."""
        self._is_kept = is_kept
        self._patient = True
        self._waited_until = -FOREVER

    def end_by(self, deadline: float, *, patient: bool) -> None:
        """Set the deadline, after which nothing is sent."""
        self._patient = self._patient and patient
        self.since = min(self.since, clock())
        self.deadline = min(self.deadline, deadline)
        self.gives_up = True
        self._lose_patience()

    def attempt_failed(self) -> None:
        """Count an attempt that the service failed to answer, or answered with an error."""
        self.failures += 1
        self._lose_patience()

    def is_hopeless(self, since: float) -> bool:
        """Whether a wait that began then is in vain, since every attempt so far has failed."""
        if self._is_kept() and self.failures:
            return True
        return not self.was_answered and self.failures > 1 and clock() - since >= HOPELESS

    def waited_in_vain(self) -> None:
        """Note that an ending used up its time, so that the next one does not wait again."""
        self._waited_until = clock()

    def was_just_waited_for(self) -> bool:
        """Whether an ending used up its time a moment ago."""
        return clock() - self._waited_until < GRACE

    def _lose_patience(self) -> None:
        if self._patient or not self.gives_up:
            return
        if self.was_just_waited_for() or (self._is_kept() and self.failures):
            self.deadline = min(self.deadline, clock())
        elif not self.was_answered and self.failures:
            self.deadline = min(self.deadline, self.since + HOPELESS)
