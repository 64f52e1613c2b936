"""Forked and spawned children: each event is sent once, by the process that recorded it."""

from __future__ import annotations

from collections import Counter

import pytest

from .. import sink as faults
from ..programs import STARTS, run, run_forking
from ..sink import Sink
from . import PROGRAMS

FORKS = {
    "os.fork, child leaves by sys.exit": "os_fork.py",
    "multiprocessing by fork": "multiprocessing_fork.py",
    "a pool of multiprocessing": "multiprocessing_pool.py",
}


@pytest.mark.parametrize("way", FORKS)
@pytest.mark.parametrize("start", STARTS)
def test_a_forked_child_sends_its_own_events_and_none_of_its_parents(sink: Sink, way: str, start: str) -> None:
    ran = run_forking(sink, PROGRAMS / FORKS[way], START=start)
    assert (0, "") == (ran.returncode, ran.stderr)
    expected = [f"parent-{n}" for n in range(30)] + [f"child-{c}-{n}" for c in range(4) for n in range(10)]
    assert Counter(expected) == Counter(sink.names())
    for sender in ("parent", "child-0", "child-3"):
        mine = [name for name in sink.names() if name.startswith(sender)]
        assert [name for name in expected if name.startswith(sender)] == mine


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_by_spawn_and_by_a_fork_server(sink: Sink, method: str) -> None:
    ran = run(sink, PROGRAMS / "spawned.py", METHOD=method)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert Counter(f"child-{c}-{n}" for c in range(2) for n in range(10)) == Counter(sink.names())


def test_a_fork_while_other_threads_are_inside_calls(sink: Sink) -> None:
    settings = {"MLSDK_MAX_QUEUE_EVENTS": "1000", "MLSDK_ON_FULL": "block", "MLSDK_BLOCK_TIMEOUT": "30"}
    ran = run_forking(sink, PROGRAMS / "fork_beside_threads.py", **settings)
    assert (0, "") == (ran.returncode, ran.stderr)
    counts = Counter(sink.names())
    assert int(ran.stdout) == counts.pop("parent")
    assert {f"child-{c}": 1 for c in range(15)} == counts


@pytest.mark.parametrize("user", ["Client", "HTTPClient", "Conversations"])
def test_a_forked_child_shares_no_connection_of_a_callers_session(sink: Sink, user: str) -> None:
    came: list[tuple[str, int]] = []

    def noted(exchange: faults.Exchange) -> None:
        came.append((exchange.request.headers["X-From"], exchange.handler.client_address[1]))
        faults.fine(exchange)

    sink.always = noted
    ran = run_forking(sink, PROGRAMS / "own_session.py", USER_OF=user)
    assert (0, "") == (ran.returncode, ran.stderr)
    (first, own), (second, childs), (third, kept) = came
    assert ["parent", "child", "parent"] == [first, second, third]
    assert own == kept != childs
