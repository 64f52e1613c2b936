"""When a batch leaves and how large it is."""

from __future__ import annotations

import pytest

from mindlytics.delivery.outbox import NEVER
from mindlytics.delivery.verdict import Fate, Verdict

from .clockwork import OK, Clockwork


def test_a_full_batch_leaves_at_once_and_the_rest_lingers() -> None:
    works = Clockwork(max_batch_events=3, flush_interval=1)
    works.add("a", "b", "c", "d")
    first = works.next()
    assert ["a", "b", "c"] == works.names(first)
    assert works.next() is None
    assert works.outbox.due() == works.now + 1


def test_no_event_waits_longer_than_the_flush_interval() -> None:
    works = Clockwork(flush_interval=0.5)
    works.add("a")
    assert works.next() is None
    works.now += 0.3
    works.add("b")
    assert works.next() is None
    works.now += 0.2
    assert ["a", "b"] == works.names(works.next())


def test_what_came_during_a_request_has_waited_since_the_last_look() -> None:
    works = Clockwork(flush_interval=0.5)
    works.add("a")
    works.next()
    works.now += 0.5
    batch = works.next()
    assert batch is not None
    works.add("b")
    works.now += 2  # the request takes its time
    works.settle(batch, OK)
    works.add("c")
    assert ["b", "c"] == works.names(works.next())


def test_flush_interval_zero_sends_what_is_there() -> None:
    works = Clockwork(flush_interval=0)
    works.add("a", "b")
    assert ["a", "b"] == works.names(works.next())


def test_a_flush_sends_a_partial_batch_but_nothing_later_than_it() -> None:
    works = Clockwork(flush_interval=10, max_batch_events=2)
    works.add("a")
    works.flush_up_to = 1
    assert ["a"] == works.names(works.next())
    works.add("b")
    assert works.next() is None


@pytest.mark.parametrize("size", [10, 11, 12, 13, 14, 40])
def test_bodies_never_exceed_their_bytes_and_use_them(size: int) -> None:
    works = Clockwork(max_batch_bytes=size, flush_interval=0)
    works.add(*(["abc"] * 20))
    bodies = []
    while (batch := works.next()) is not None:
        bodies.append(works.wire.body(batch.pieces, bare=False, key="k"))
        works.settle(batch, OK)
    assert max(map(len, bodies)) <= size
    assert {len(body) for body in bodies[:-1]} == {len(bodies[0])}
    assert len(bodies[0]) + 4 > size or 1 == len(bodies)
    assert ["abc"] * 20 == works.delivered


def test_an_event_larger_than_any_body_is_dropped_alone() -> None:
    works = Clockwork(max_batch_bytes=10, flush_interval=0)
    works.add("a", "x" * 50, "b")
    works.run(lambda _: OK)
    assert ["a", "b"] == works.delivered
    assert {"too_large": 1} == works.ledger.stats().reasons


def test_the_sender_asks_to_be_woken_for_what_matters() -> None:
    works = Clockwork(max_batch_events=5, flush_interval=1)
    works.next()
    assert 1 == works.outbox.wanted(works.now)
    works.add("a", "b")
    works.next()
    assert 3 == works.outbox.wanted(works.now)
    works.outbox.paused_until = works.now + 1
    assert NEVER == works.outbox.wanted(works.now)


def test_halves_by_bytes_cut_where_the_weight_is() -> None:
    works = Clockwork(flush_interval=0)
    works.add("x" * 90, "a", "b", "c")
    batch = works.next()
    assert batch is not None
    first, second = batch.halves(by_bytes=True)
    assert [1, 3] == [len(half.entries) for half in (first, second)]
    works.settle(batch, Verdict(Fate.SHRINK, 413))
    assert ["x" * 90] == works.names(works.next())
