"""How often and how patiently: the policy under a fake clock, through both of tenacity's drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from tenacity import AsyncRetrying, Retrying

from mindlytics.delivery.retry import FIRST_WAIT, SHORTEST_WAIT, backoff, policy
from mindlytics.delivery.verdict import Fate, Verdict
from mindlytics.settings import Settings

OK = Verdict(Fate.DELIVERED, 200)
BUSY = Verdict(Fate.RETRY, 503, "busy")


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.deadline = float("inf")

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


def settings(**options: Any) -> Settings:
    return Settings.load({"api_key": "k", "project_id": "p", **options})


@pytest.fixture(params=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Verdict]:
    """Drive an attempt through the policy, the one way or the other."""

    def drive(time: FakeTime, chosen: Settings, attempt: Callable[[], Verdict]) -> Verdict:
        sleep = time.sleep if request.param == "blocking" else time.sleep_async
        began = time.now
        rules = policy(
            chosen,
            sleep=sleep,
            clock=lambda: time.now,
            spent=lambda: time.now - began,
            deadline=lambda: time.deadline,
        )
        if request.param == "blocking":
            return Retrying(**rules)(attempt)

        async def attempt_async() -> Verdict:
            return attempt()

        return asyncio.run(AsyncRetrying(**rules)(attempt_async))

    return drive


def test_it_is_tried_again_until_it_is_delivered(run: Callable[..., Verdict]) -> None:
    time, verdicts = FakeTime(), iter([BUSY, BUSY, OK])
    assert run(time, settings(), lambda: next(verdicts)) is OK
    assert 2 == len(time.waits)


def test_what_is_final_is_not_tried_again(run: Callable[..., Verdict]) -> None:
    time, refused = FakeTime(), Verdict(Fate.REFUSED, 403)
    assert run(time, settings(), lambda: refused) is refused
    assert [] == time.waits


def test_it_ends_within_retry_for_with_the_last_verdict(run: Callable[..., Verdict]) -> None:
    time = FakeTime()
    assert run(time, settings(retry_for=20), lambda: BUSY) is BUSY
    assert 0 < time.now <= 20


def test_retry_for_zero_tries_once(run: Callable[..., Verdict]) -> None:
    time, asked = FakeTime(), Verdict(Fate.RETRY, 429, "busy", wait=1)
    run(time, settings(retry_for=0), lambda: asked)
    assert [] == time.waits


def test_what_the_service_asks_for_is_waited_up_to_the_cap(run: Callable[..., Verdict]) -> None:
    time = FakeTime()
    verdicts = iter([Verdict(Fate.RETRY, 429, wait=7), Verdict(Fate.RETRY, 429, wait=3600), OK])
    run(time, settings(max_retry_wait=30), lambda: next(verdicts))
    assert [7, 30] == time.waits


def test_a_stale_connection_costs_no_wait_once(run: Callable[..., Verdict]) -> None:
    time, stale = FakeTime(), Verdict(Fate.RETRY, 0, "no reply", stale=True)
    verdicts = iter([stale, stale, OK])
    run(time, settings(), lambda: next(verdicts))
    assert 0 == time.waits[0]
    assert 2 == len(time.waits)


def test_a_near_deadline_makes_the_waits_halves_of_what_is_left(run: Callable[..., Verdict]) -> None:
    time = FakeTime()
    time.deadline = 4.0
    run(time, settings(), lambda: BUSY)
    assert time.now <= 4.0
    assert len(time.waits) >= 2


def test_no_pause_outlasts_the_deadline(run: Callable[..., Verdict]) -> None:
    time, asked = FakeTime(), Verdict(Fate.RETRY, 429, wait=20)
    time.deadline = 4.0
    assert run(time, settings(), lambda: asked) == evolve(asked, fate=Fate.TIME_UP)
    assert [] == time.waits


def test_cancellation_is_not_tried_again() -> None:
    time, attempts = FakeTime(), []

    async def attempt() -> Verdict:
        attempts.append(1)
        raise asyncio.CancelledError

    async def main() -> None:
        rules = policy(
            settings(),
            sleep=time.sleep_async,
            clock=lambda: 0,
            spent=lambda: 0,
            deadline=lambda: float("inf"),
        )
        await AsyncRetrying(**rules)(attempt)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert [1] == attempts


def test_back_off_is_full_jitter() -> None:
    for attempt in (1, 2, 3, 5, 10, 5000):
        cap = min(30, FIRST_WAIT * 2.0 ** min(attempt - 1, 30))
        drawn = [backoff(attempt, 30) for _ in range(300)]
        assert 0 <= min(drawn) < cap / 3
        assert cap * 2 / 3 < max(drawn) <= cap
    assert SHORTEST_WAIT < FIRST_WAIT
