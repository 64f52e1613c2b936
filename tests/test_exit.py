"""Programs that just end, fork or are left by their loop: real processes, everything delivered, nothing on stderr."""

from __future__ import annotations

import re
import time

import pytest

from . import sink as faults
from .processes import PROGRAMS
from .programs import STARTS, STRICT, run
from .sink import Sink

ENDINGS = {
    "last line": ("many_events.py", "blocking"),
    "sys.exit": ("many_events.py", "blocking"),
    "one event on the last line": ("one_event.py", "blocking"),
    "exit handler that tracks": ("exit_handler.py", "blocking"),
    "exit handler registered before the import": ("exit_handler.py", "blocking"),
    "thread that outlives main": ("thread_outlives_main.py", "blocking"),
    "open client after asyncio.run": ("asyncio_run.py", "asyncio"),
    "no await at all": ("many_events.py", "asyncio"),
    "no loop until the exit handler": ("exit_handler.py", "asyncio"),
    "several asyncio.run": ("several_runs.py", "asyncio"),
    "a loop closed with events pending": ("closed_loop.py", "asyncio"),
    "sys.exit within a loop": ("asyncio_run.py", "asyncio"),
    "last line, Align AI": ("many_events.py", "AlignAI"),
    "exit handler that tracks, Align AI": ("exit_handler.py", "AlignAI"),
    "open client after asyncio.run, Align AI": ("asyncio_run.py", "AsyncAlignAI"),
}
"""By name: a program, and what it records with."""
FIFTY = [str(number) for number in range(50)]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_everything_arrives_in_order_and_stderr_is_empty(sink: Sink, ending: str, host: str) -> None:
    program, start = ENDINGS[ending]
    quiet = () if program == "closed_loop.py" else STRICT
    url = sink.url.replace("127.0.0.1", host)
    settings = {"MLSDK_SERVER_BASE": url, "ALIGNAI_HOST": url, "MLSDK_SHUTDOWN_TIMEOUT": "60"}
    early = "1" if "before the import" in ending else ""
    way = "sys.exit" if "sys.exit" in ending else ""
    ran = run(sink, PROGRAMS / program, *quiet, START=start, EARLY=early, ENDING=way, **settings)
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert (["e"] if program == "one_event.py" else FIFTY) == sink.names()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(("start", "cut_short"), [("blocking", "interrupted"), ("asyncio", "cancelled")])
def test_a_close_that_is_cut_short_is_made_up_for_at_the_exit(
    sink: Sink, start: str, cut_short: str, host: str
) -> None:
    sink.always = faults.held
    url = sink.url.replace("127.0.0.1", host)
    settings = {"MLSDK_SERVER_BASE": url, "MLSDK_SHUTDOWN_TIMEOUT": "60"}
    ran = run(sink, PROGRAMS / f"close_{cut_short}.py", *STRICT, START=start, **settings)
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert FIFTY == sink.names()


@pytest.mark.parametrize("start", STARTS)
def test_an_exception_ends_the_program_not_the_delivery(sink: Sink, start: str) -> None:
    ran = run(sink, PROGRAMS / "many_events.py", START=start, ENDING="an exception")
    assert 1 == ran.returncode
    assert ran.stderr.rstrip().endswith("RuntimeError: the program is broken")
    assert "mindlytics:" not in ran.stderr
    assert 50 == len(sink.events)


@pytest.mark.parametrize(("start", "program"), [("blocking", "many_events.py"), ("asyncio", "asyncio_run.py")])
@pytest.mark.parametrize("fault", [faults.hang, faults.status(503)], ids=["hang", "503"])
def test_a_service_that_fails_holds_no_exit_up_and_the_loss_is_one_line(
    sink: Sink, start: str, program: str, fault: faults.Fault
) -> None:
    sink.always = fault
    began = time.monotonic()
    settings = {"MLSDK_SHUTDOWN_TIMEOUT": "3", "MLSDK_REQUEST_TIMEOUT": "60", "MLSDK_RETRY_FOR": "60"}
    ran = run(sink, PROGRAMS / program, START=start, **settings)
    assert time.monotonic() - began < 30
    cause = "no reply(: timed out| yet)" if fault is faults.hang else "status 503: no"
    assert re.fullmatch(rf"mindlytics: 50 events were not delivered \({sink.url}: {cause}\)\n", ran.stderr)
    assert 0 == ran.returncode


@pytest.mark.parametrize("start", ["blocking", "asyncio"])
def test_an_unreachable_service_harms_nothing(sink: Sink, start: str) -> None:
    settings = {"MLSDK_SERVER_BASE": "http://127.0.0.1:9", "MLSDK_SHUTDOWN_TIMEOUT": "3"}
    ran = run(sink, PROGRAMS / "many_events.py", START=start, **settings)
    line = "mindlytics: 50 events were not delivered (http://127.0.0.1:9: no reply: connection refused)\n"
    assert (0, "", line) == (ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.parametrize("start", STARTS)
def test_a_client_that_was_never_used_costs_an_exit_nothing(sink: Sink, start: str) -> None:
    ran = run(sink, PROGRAMS / "starts.py", START=start)
    assert (0, "", []) == (ran.returncode, ran.stderr, sink.requests)


def test_pipelines_of_dropped_clients_end(sink: Sink) -> None:
    ran = run(sink, PROGRAMS / "dropped_clients.py")
    assert (0, "True\n", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert ["dropped"] * 40 + ["kept"] * 20 == sink.names()


def test_the_line_includes_what_dropped_clients_lost(sink: Sink) -> None:
    sink.always = faults.status(403)
    ran = run(sink, PROGRAMS / "dropped_clients_lose.py")
    line = f"mindlytics: 3 events were not delivered ({sink.url}: status 403: no)\n"
    assert (0, line) == (ran.returncode, ran.stderr)


def test_losses_of_a_later_exit_handler_are_reported_too(sink: Sink) -> None:
    sink.always = faults.status(503)
    ran = run(sink, PROGRAMS / "late_exit_handler.py", MLSDK_SHUTDOWN_TIMEOUT="10")
    cause = f"({sink.url}: status 503: later)"
    assert f"mindlytics: 3 events were not delivered {cause}\nmindlytics: 1 event was not delivered {cause}\n" == (
        ran.stderr.replace(": no)", ": later)")
    )
