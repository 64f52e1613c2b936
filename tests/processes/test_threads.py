"""Programs with threads, real ones and the green ones of gevent and eventlet."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from ..programs import STRICT, run, skip_without
from ..sink import Sink
from . import PROGRAMS


def test_gevents_patching_is_harmless(sink: Sink) -> None:
    skip_without("gevent")
    ran = run(sink, PROGRAMS / "gevent_patched.py")
    assert (0, "") == (ran.returncode, ran.stderr)
    assert Counter([f"{c}-{n}" for c in range(10) for n in range(20)] + ["last"]) == Counter(sink.names())


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_a_call_on_a_real_thread_beside_green_ones(sink: Sink, library: str) -> None:
    skip_without(library)
    ran = run(sink, PROGRAMS / "green_and_real.py", LIBRARY=library)
    assert (0, "11\n") == (ran.returncode, ran.stdout), ran.stderr
    assert [*"01234", "at home", *"01234"] == sink.names()


def test_the_first_event_on_a_real_thread_beside_gevents_is_sent_without_another(sink: Sink) -> None:
    skip_without("gevent")
    assert 0 == run(sink, PROGRAMS / "green_first_event.py", LIBRARY="gevent").returncode
    assert ["e"] == sink.names()


@pytest.mark.parametrize("closes", ["", "yes"], ids=["", "closes"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_green_threads_lose_nothing_when_the_program_ends(sink: Sink, library: str, closes: str) -> None:
    """Since Python 3.12, no thread can be started then, and gevent looks names of hosts up on some."""
    skip_without(library)
    ran = run(sink, PROGRAMS / "green_exit.py", LIBRARY=library, CLOSES=closes)
    assert (0, "", ["e"]) == (ran.returncode, ran.stderr, sink.names())


def test_threads_of_a_pool_may_all_call(sink: Sink) -> None:
    ran = run(sink, PROGRAMS / "thread_pool.py", *STRICT)
    assert (0, "") == (ran.returncode, ran.stderr)
    for c in range(32):
        mine = [event["event"] for event in sink.events if event["session_id"] == f"s{c}"]
        assert [str(number) for number in range(200)] == mine


def test_time_is_not_needed_to_leave(sink: Sink) -> None:
    began = time.monotonic()
    ran = run(sink, PROGRAMS / "one_event.py", MLSDK_FLUSH_INTERVAL="600")
    assert (0, ["e"]) == (ran.returncode, sink.names())
    assert time.monotonic() - began < 30
