"""Programs that are ended by a signal."""

from __future__ import annotations

import signal

import pytest

from ..programs import signalled, skip_without
from ..sink import Sink
from . import PROGRAMS

ON_SIGTERM = {"MLSDK_FLUSH_ON_SIGTERM": "true", "MLSDK_FLUSH_INTERVAL": "600"}
EVENTS = [str(number) for number in range(20)]

with_and_without_handler = pytest.mark.parametrize(
    ("handler", "code"), [("", -signal.SIGTERM), ("yes", 7)], ids=["no handler", "a handler"]
)


@with_and_without_handler
def test_sigterm_delivers_first_if_gevent_has_patched_threads(sink: Sink, handler: str, code: int) -> None:
    skip_without("gevent")
    settings = {**ON_SIGTERM, "HANDLER": handler, "GREEN": "yes"}
    assert code == signalled(sink, PROGRAMS / "waits_for_signal.py", signal.SIGTERM, **settings)[0]
    assert EVENTS == sink.names()


@with_and_without_handler
@pytest.mark.parametrize(
    ("face", "program"), [("blocking", "waits_for_signal.py"), ("asyncio", "loop_waits_for_signal.py")]
)
def test_sigterm_delivers_first_and_then_passes_on_to_the_previous_handler(
    sink: Sink, handler: str, code: int, face: str, program: str
) -> None:
    settings = {**ON_SIGTERM, "HANDLER": handler, "START": face}
    assert code == signalled(sink, PROGRAMS / program, signal.SIGTERM, **settings)[0]
    assert EVENTS == sink.names()


@pytest.mark.parametrize("first", ["the handler", "the client"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_handler_of_an_event_loop_is_called_once(sink: Sink, loop: str, first: str) -> None:
    skip_without(loop)
    printed = "1 0\n" if first == "the handler" else "1 1\n"
    settings = {**ON_SIGTERM, "LOOP": loop, "FIRST": first}
    assert (0, printed) == signalled(sink, PROGRAMS / "loop_handles_signal.py", signal.SIGTERM, **settings)
    assert ["e"] == sink.names()


def test_a_killed_program_loses_only_what_was_pending(sink: Sink) -> None:
    assert (-signal.SIGKILL, "") == signalled(sink, PROGRAMS / "waits_for_kill.py", signal.SIGKILL)
    assert EVENTS == sink.names()
