"""What becomes of batches: verdicts, splitting, order and the account, under a clock that only the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mindlytics.delivery.account import Reason
from mindlytics.delivery.batcher import Batch
from mindlytics.delivery.verdict import Fate, Verdict

from .clockwork import OK, Clockwork


def poison(works: Clockwork, fate: Fate, status: int) -> Any:
    def judge(batch: Batch) -> Verdict:
        bad = any(name.startswith("bad") for name in works.names(batch))
        return Verdict(fate, status, "bad event") if bad else OK

    return judge


def test_a_bad_event_is_refused_alone_and_all_others_arrive_in_order() -> None:
    works = Clockwork()
    names = [f"e{number}" for number in range(20)]
    works.add(*names[:7], "bad", *names[7:])
    works.run(poison(works, Fate.HALVE, 400))
    assert works.delivered == names
    assert 1 == works.ledger.result().refused
    assert ["bad event"] == [error.message for error in works.ledger.errors()]


def test_every_half_has_a_key_of_its_own() -> None:
    works = Clockwork()
    works.add("a", "bad", "c", "d")
    works.run(poison(works, Fate.HALVE, 400))
    assert len(works.keys) == len(set(works.keys))


def test_too_large_a_body_is_halved_until_the_giant_stands_alone() -> None:
    works = Clockwork()
    works.add("a", "b", "x" * 90, "c")

    def judge(batch: Batch) -> Verdict:
        size = sum(map(len, batch.pieces))
        return Verdict(Fate.SHRINK, 413, "too large") if size > 50 else OK

    works.run(judge)
    assert ["a", "b", "c"] == works.delivered
    assert 1 == works.ledger.result().refused


def test_other_refusals_are_final_for_the_batch() -> None:
    works = Clockwork()
    works.add("a", "b")
    works.run(lambda _: Verdict(Fate.REFUSED, 403, "unknown key"))
    assert 2 == works.ledger.result().refused
    assert 403 == works.ledger.errors()[0].status


def test_what_was_tried_for_too_long_is_dropped_with_the_reason() -> None:
    works = Clockwork()
    works.add("a", "b")
    works.run(lambda _: Verdict(Fate.RETRY, 503, "busy"))
    assert {"gave_up": 2} == works.ledger.stats().reasons


def test_an_interrupted_batch_goes_first_and_under_the_same_key() -> None:
    works = Clockwork(max_batch_events=2, flush_interval=0)
    works.add("a", "b", "c")
    batch = works.next()
    assert batch is not None
    works.outbox.put_back(batch)
    again = works.next()
    assert again is not None
    assert again.key == batch.key
    assert ["a", "b"] == works.names(again)


def test_a_service_that_takes_bare_objects_only_is_found_out_once() -> None:
    works = Clockwork(max_batch_events=4)
    works.add("a", "b", "c", "d")
    posts: list[tuple[bool, int]] = []

    def judge(batch: Batch) -> Verdict:
        posts.append((batch.bare, len(batch.entries)))
        return OK if batch.bare else Verdict(Fate.HALVE, 400, "no array")

    works.run(judge)
    assert ["a", "b", "c", "d"] == works.delivered
    assert [(False, 4), (False, 2), (False, 1), (True, 1)] == posts[:4]
    works.add("e", "f")
    posts.clear()
    works.run(judge)
    assert [(True, 1), (True, 1)] == posts


def test_once_an_array_was_taken_a_bad_event_is_just_bad() -> None:
    works = Clockwork()
    works.add("a")
    works.run(poison(works, Fate.HALVE, 400))
    works.add("bad")
    posts: list[bool] = []

    def judge(batch: Batch) -> Verdict:
        posts.append(batch.bare)
        return Verdict(Fate.HALVE, 400, "bad event")

    works.run(judge)
    assert [False] == posts
    assert 1 == works.ledger.result().refused


def test_a_pause_that_the_service_asked_for_holds_for_what_comes_next() -> None:
    works = Clockwork(max_batch_events=1, flush_interval=0)
    works.add("a", "b")
    batch = works.next()
    assert batch is not None
    works.settle(batch, Verdict(Fate.RETRY, 429, "slow down", wait=5))
    assert works.next() is None
    assert works.outbox.due() == works.now + 5
    works.now += 5
    assert ["b"] == works.names(works.next())


def test_giving_up_settles_everything() -> None:
    works = Clockwork(max_batch_events=2, flush_interval=10)
    works.add("a", "b", "c", "d", "e")
    batch = works.next()
    works.outbox.abandon(batch)
    assert works.ledger.stats().reasons == {Reason.SHUTDOWN.value: 5}
    assert 0 == works.ledger.result().pending
    assert works.ledger.held_in == works.ledger.held_out


def test_a_waiter_waits_for_its_own_events_alone() -> None:
    works = Clockwork(max_batch_events=2, flush_interval=0)
    done: list[str] = []
    assert works.ledger.wait(None, lambda: done.append("empty")) is None
    works.add("a", "b")
    works.ledger.wait(works.account, lambda: done.append("first"))
    works.add("c")
    batch = works.next()
    assert batch is not None
    works.settle(batch, OK)
    assert ["first"] == done


class Delivery(RuleBasedStateMachine):
    """Any interleaving of calls, replies, flushes and time keeps the account, the order and the limits."""

    @initialize(events=st.integers(1, 5), size=st.integers(8, 40), linger=st.sampled_from([0.0, 1.0]))
    def begin(self, events: int, size: int, linger: float) -> None:
        self.works = Clockwork(max_batch_events=events, max_batch_bytes=size, flush_interval=linger)
        self.limits = events, size
        self.added: list[str] = []
        self.waited: dict[str, float] = {}
        self.in_hand: Batch | None = None
        self.keys: dict[str, list[str]] = {}
        self.acknowledged: set[str] = set()
        self.waiting: list[list[bool]] = []
        self.closed = False

    @rule(length=st.integers(0, 30), bad=st.booleans())
    def add(self, length: int, bad: bool) -> None:
        name = f"{'bad' if bad else 'ok'}{len(self.added)}" + "x" * length
        self.added.append(name)
        self.works.add(name)

    @precondition(lambda self: self.in_hand is None)
    @rule()
    def take(self) -> None:
        batch = self.works.next()
        if batch is None:
            return
        names = self.works.names(batch)
        body = self.works.wire.body(batch.pieces, bare=batch.bare, key=batch.key)
        assert 1 <= len(names) <= self.limits[0]
        assert len(body) <= self.limits[1]
        assert not self.acknowledged & set(names), "what was acknowledged is never sent again"
        assert self.keys.setdefault(batch.key, names) == names, "a key belongs to one body"
        self.in_hand = batch

    @precondition(lambda self: self.in_hand is not None)
    @rule(fate=st.sampled_from(["service", "interrupted", "too large", "gave up", "refused", "busy"]))
    def answer(self, fate: str) -> None:
        assert self.in_hand is not None
        batch, self.in_hand = self.in_hand, None
        names = self.works.names(batch)
        if fate == "interrupted":
            self.works.outbox.put_back(batch)
        elif fate == "too large":
            self.works.settle(batch, Verdict(Fate.SHRINK, 413, "large"))
        elif fate == "gave up":
            self.works.settle(batch, Verdict(Fate.RETRY, 503, "down"))
        elif fate == "busy":
            self.works.settle(batch, Verdict(Fate.RETRY, 429, "busy", wait=2))
        elif fate == "refused":
            self.works.settle(batch, Verdict(Fate.REFUSED, 403, "no"))
        elif any(name.startswith("bad") for name in names):
            self.works.settle(batch, Verdict(Fate.HALVE, 400, "bad"))
        else:
            self.acknowledged.update(names)
            self.works.settle(batch, OK)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def pass_time(self, seconds: float) -> None:
        self.works.now += seconds

    @rule()
    def flush(self) -> None:
        self.works.flush_up_to = self.works.ledger.total.accepted
        flag = [False]
        if self.works.ledger.wait(None, lambda: flag.__setitem__(0, True)) is not None:
            self.waiting.append(flag)

    @precondition(lambda self: self.in_hand is None)
    @rule()
    def give_up(self) -> None:
        self.works.outbox.abandon()
        assert 0 == self.works.ledger.result().pending
        assert all(flag[0] for flag in self.waiting)

    @invariant()
    def the_account_balances(self) -> None:
        if not hasattr(self, "works"):
            return
        stats = self.works.ledger.stats()
        assert stats.accepted == len(self.added)
        assert stats.accepted == stats.delivered + stats.refused + stats.dropped + stats.pending
        assert stats.delivered == len(self.works.delivered)
        assert stats.dropped == sum(stats.reasons.values())
        assert stats.pending >= 0

    @invariant()
    def the_order_is_that_of_the_calls(self) -> None:
        if hasattr(self, "works"):
            assert self.works.delivered == [name for name in self.added if name in set(self.works.delivered)]

    def teardown(self) -> None:
        if not hasattr(self, "works"):
            return
        while self.in_hand is not None or self.works.ledger.result().pending:
            self.works.now += 10
            if self.in_hand is None:
                self.take()
            if self.in_hand is not None:
                self.answer("service")
            self.the_account_balances()
        self.the_order_is_that_of_the_calls()
        assert all(flag[0] for flag in self.waiting)


TestDelivery = Delivery.TestCase
TestDelivery.settings = hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_counts_once(reason: Reason) -> None:
    works = Clockwork()
    works.add("a", "b")
    works.ledger.dropped(works.intake.pop_many(1, 10), reason)
    stats = works.ledger.stats()
    assert (stats.dropped, stats.pending, stats.reasons) == (1, 1, {reason.value: 1})
    assert works.ledger.lost == (2 if reason.is_loss else 1)
