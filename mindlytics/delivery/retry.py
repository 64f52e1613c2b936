"""How often, how long and how patiently a batch is tried again: one tenacity policy."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from attrs import evolve
from tenacity import RetryCallState, retry_if_result

from ..settings import Settings
from .verdict import Fate, Verdict

FIRST_WAIT = 0.5
"""Seconds up to which the first wait is drawn; every further one may be twice as long."""

SHORTEST_WAIT = 0.05
"""Seconds between two attempts at least while a deadline comes near; the waits are halves of what is left."""

LEAST_ATTEMPTS = 2
"""Attempts that a batch gets even if the first took longer than ``retry_for``, unless that is 0."""


def backoff(attempt: int, cap: float) -> float:
    """Seconds to wait after the attempt of that number (from 1): full jitter, so that clients spread out."""
    return random.uniform(0, min(cap, FIRST_WAIT * 2.0 ** min(attempt - 1, 30)))


def wait_after(attempt: int, asked: float | None, cap: float) -> float:
    """Seconds to wait after the attempt of that number: what the service asked for, but never less than the back-off.

    A service that asks for no wait at all, or a clock that is ahead of the service's, must not switch the back-off off.
    """
    wait = backoff(attempt, cap)
    return wait if asked is None else max(wait, min(asked, cap))


def policy(
    settings: Settings,
    *,
    sleep: Any,
    clock: Callable[[], float],
    spent: Callable[[], float],
    deadline: Callable[[], float],
) -> dict[str, Any]:
    """The arguments of ``tenacity.Retrying`` and ``AsyncRetrying``, for a function that returns a verdict.

    The last verdict is the result, or one of ``TIME_UP`` where the deadline keeps the next attempt from beginning. An
    exception (cancellation above all) is never retried.

    :param sleep: waits so many seconds, or less when it is woken.
    :param clock: the monotonic clock.
    :param spent: seconds since the first attempt that count against ``retry_for``.
    :param deadline: the moment of that clock after which no attempt may begin.
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
