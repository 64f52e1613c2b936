"""By when what is pending has to be delivered, and whether to wait for that is hopeless."""

from __future__ import annotations

from collections.abc import Callable

from .waiting import FOREVER, GRACE, clock

HOPELESS = 1.5
"""Seconds that an ending program waits for a service that has failed from the start."""


class Ending:
    """The end of a client or a program, and how patient it is with the service.

    :param is_kept: whether what is pending is on disk and the service fails, so that nothing is lost by not waiting.
    """

    def __init__(self, is_kept: Callable[[], bool]) -> None:
        self.deadline = FOREVER
        """No request and no wait goes beyond it."""
        self.gives_up = False
        """What is pending at the deadline is dropped, since nothing will send it any more."""
        self.since = FOREVER
        """When it began."""
        self.was_answered = False
        """Whether the service has answered any request as it should."""
        self.failures = 0
        """Attempts that failed."""
        self._is_kept = is_kept
        self._patient = True
        self._waited_until = -FOREVER

    def end_by(self, deadline: float, *, patient: bool) -> None:
        """Nothing is sent after that."""
        self._patient = self._patient and patient
        self.since = min(self.since, clock())
        self.deadline = min(self.deadline, deadline)
        self.gives_up = True
        self._lose_patience()

    def attempt_failed(self) -> None:
        """The service did not answer, or said that it fails."""
        self.failures += 1
        self._lose_patience()

    def is_hopeless(self, since: float) -> bool:
        """Whether a wait that began at that moment is in vain: every attempt since the beginning has failed."""
        if self._is_kept() and self.failures:
            return True
        return not self.was_answered and self.failures > 1 and clock() - since >= HOPELESS

    def waited_in_vain(self) -> None:
        """An ending was waited for as long as ``shutdown_timeout`` allows: the next wait begins with nothing left."""
        self._waited_until = clock()

    def was_just_waited_for(self) -> bool:
        """Whether such a wait ended a moment ago."""
        return clock() - self._waited_until < GRACE

    def _lose_patience(self) -> None:
        if self._patient or not self.gives_up:
            return
        if self.was_just_waited_for() or (self._is_kept() and self.failures):
            self.deadline = min(self.deadline, clock())
        elif not self.was_answered and self.failures:
            self.deadline = min(self.deadline, self.since + HOPELESS)
