"""How often, for how long and after which waits a batch is retried: one tenacity policy."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from attrs import evolve
from tenacity import RetryCallState, retry_if_result

from ..settings import Settings
from .verdict import Fate, Verdict

FIRST_WAIT = 0.5
"""Upper limit of the first wait in seconds. It doubles with each further wait."""

SHORTEST_WAIT = 0.05
"""Shortest wait in seconds while a deadline comes near. Each wait is then half of the time left."""

LEAST_ATTEMPTS = 2
"""Attempts that a batch gets even if the first took longer than ``retry_for``, unless ``retry_for`` is 0."""


def backoff(attempt: int, cap: float) -> float:
    """Seconds to wait after the attempt of that number, from 1. Full jitter spreads clients out."""
    return random.uniform(0, min(cap, FIRST_WAIT * 2.0 ** min(attempt - 1, 30)))


def wait_after(attempt: int, asked: float | None, cap: float) -> float:
    """Seconds to wait after the attempt of that number: what the service asked for, but at least the back-off.

    The back-off also counts if the service asks for 0 seconds, or if our clock is ahead of the service's.
    """
    wait = backoff(attempt, cap)
    return wait if asked is None else max(wait, min(asked, cap))


def policy(
    settings: Settings,
    *,
    sleep: Callable[[float], object],
    clock: Callable[[], float],
    spent: Callable[[], float],
    deadline: Callable[[], float],
) -> dict[str, Any]:
    """The arguments of ``tenacity.Retrying`` and ``AsyncRetrying``, for a function that returns a verdict.

    The result is the last verdict, or ``TIME_UP`` if the next attempt would begin after the deadline. An exception,
    such as a cancellation, ends the retries.

    :param sleep: waits so many seconds, or less if it is woken.
    :param clock: the monotonic clock.
    :param spent: seconds since the first attempt that count against ``retry_for``.
    :param deadline: the time on that clock until which attempts may begin.
    """

    def wait(state: RetryCallState) -> float:
        verdict = _verdict(state)
        if verdict.wait is not None:
            return wait_after(state.attempt_number, verdict.wait, settings.max_retry_wait)
        if verdict.stale and state.attempt_number == 1:
            return 0.0
        remaining = deadline() - clock()
        return min(backoff(state.attempt_number, settings.max_retry_wait), max(SHORTEST_WAIT, remaining / 2))

    def is_too_late(state: RetryCallState) -> bool:
        return clock() + state.upcoming_sleep > deadline()

    def stop(state: RetryCallState) -> bool:
        if is_too_late(state):
            return True
        may_give_up = settings.retry_for == 0 or state.attempt_number >= LEAST_ATTEMPTS
        return may_give_up and spent() + state.upcoming_sleep > settings.retry_for

    def last(state: RetryCallState) -> Verdict:
        verdict = _verdict(state)
        return evolve(verdict, fate=Fate.TIME_UP) if is_too_late(state) else verdict

    return {
        "retry": retry_if_result(lambda verdict: verdict.fate is Fate.RETRY),
        "wait": wait,
        "stop": stop,
        "sleep": sleep,
        "retry_error_callback": last,
    }


def _verdict(state: RetryCallState) -> Verdict:
    assert state.outcome is not None
    verdict: Verdict = state.outcome.result()
    return verdict
