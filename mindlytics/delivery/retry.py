"""How often, how long and how patiently a batch is tried again: one tenacity policy for both faces."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tenacity import RetryCallState, retry_if_result

from ..settings import Settings
from .verdict import Fate, Verdict

FIRST_WAIT = 0.5
"""Seconds up to which the first wait is drawn; every further one may be twice as long."""

SHORTEST_WAIT = 0.05
"""Seconds between two attempts at least while a deadline comes near; the waits are halves of what is left."""


def backoff(attempt: int, cap: float) -> float:
    """Seconds to wait after the attempt of that number (from 1): full jitter, so that clients spread out."""
    return random.uniform(0, min(cap, FIRST_WAIT * 2.0 ** min(attempt - 1, 30)))


def policy(
    settings: Settings, *, sleep: Any, clock: Callable[[], float], since: float, deadline: Callable[[], float]
) -> dict[str, Any]:
    """The arguments of ``tenacity.Retrying`` and ``AsyncRetrying``, for a function that returns a verdict.

    The last verdict is the result, whatever it says; an exception (cancellation above all) is never retried.

    :param sleep: waits so many seconds, or less when it is woken.
    :param clock: the monotonic clock.
    :param since: the moment of the batch's first attempt, from which ``retry_for`` counts.
    :param deadline: the moment of that clock after which no attempt may begin.
    """

    def wait(state: RetryCallState) -> float:
        verdict = _verdict(state)
        if verdict.wait is not None:
            return min(verdict.wait, settings.max_retry_wait)
        if verdict.stale and state.attempt_number == 1:
            return 0.0
        remaining = deadline() - clock()
        return min(backoff(state.attempt_number, settings.max_retry_wait), max(SHORTEST_WAIT, remaining / 2))

    def stop(state: RetryCallState) -> bool:
        then = clock() + state.upcoming_sleep
        return then > deadline() or then - since > settings.retry_for

    return {
        "retry": retry_if_result(lambda verdict: verdict.fate is Fate.RETRY),
        "wait": wait,
        "stop": stop,
        "sleep": sleep,
        "retry_error_callback": _verdict,
    }


def _verdict(state: RetryCallState) -> Verdict:
    assert state.outcome is not None
    verdict: Verdict = state.outcome.result()
    return verdict
