"""Endings: losses are reported, one failed batch leaves the others alone, and no wait is in vain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from . import sink as faults
from .conftest import Face, entered, result
from .processes import PROGRAMS
from .programs import environment, run, run_forking
from .sink import Sink

README = Path(__file__).parent.parent / "README.md"
NOBODY = "http://127.0.0.1:9"


async def test_what_close_drops_is_reported_before_it_returns(any_face: Face, sink: Sink) -> None:
    sink.always = faults.hang
    errors: list[Any] = []
    client = any_face.client(on_error=errors.append, request_timeout=30)
    session = client.create_session(id="u")
    for number in range(20):
        await result(session.track_event(event=str(number)))
    outcome = await result(client.close(0.3))
    assert (0, 20) == (outcome.pending, outcome.dropped)
    assert [("shutdown", 20)] == [(error.reason, error.count) for error in errors]


async def test_what_leaving_the_block_drops_is_reported_to_a_coroutine_function(face: Face, sink: Sink) -> None:
    sink.always = faults.hang
    errors: list[Any] = []

    async def on_error(error: Any) -> None:
        errors.append((error.reason, error.count))

    async with entered(face.client(on_error=on_error, request_timeout=30, shutdown_timeout=0.3)) as client:
        session = client.create_session(id="u")
        for number in range(20):
            await result(session.track_event(event=str(number)))
    assert [("shutdown", 20)] == errors


async def test_close_ends_a_request_that_an_earlier_flush_began(any_face: Face, sink: Sink) -> None:
    sink.always = faults.hang
    client = any_face.client(flush_interval=0, request_timeout=30)
    await result(client.create_session(id="u").track_event(event="e"))
    assert 1 == (await result(client.flush(0.2))).pending
    outcome = await result(client.close(0.5))
    assert (0, 0, 1, 0) == (outcome.delivered, outcome.refused, outcome.dropped, outcome.pending)
    sink.stopping.set()


@pytest.mark.parametrize("retry_for", [0, 0.3])
async def test_one_batch_that_is_abandoned_does_not_end_the_others(
    any_face: Face, sink: Sink, retry_for: float
) -> None:
    def first_fails(exchange: faults.Exchange) -> None:
        if "e0" in [event["event"] for event in exchange.request.events]:
            exchange.reply(503, b"later")
        else:
            faults.fine(exchange)

    sink.always = first_fails
    client = any_face.client(max_batch_events=1, retry_for=retry_for)
    session = client.create_session(id="u")
    for number in range(5):
        await result(session.track_event(event=f"e{number}"))
    outcome = await result(client.close(10))
    assert (4, 1) == (outcome.delivered, outcome.dropped)
    assert {"gave_up": 1} == client.stats().reasons
    assert ["e1", "e2", "e3", "e4"] == sink.names()


def readme_program() -> str:
    text = README.read_text(encoding="utf-8")
    return text.partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize("asyncio", [False, True])
def test_a_service_that_is_not_there_is_not_waited_for_as_long(sink: Sink, asyncio: bool) -> None:
    program = PROGRAMS / "asyncio_turn.py" if asyncio else readme_program()
    began = time.monotonic()
    ran = run(sink, program, MLSDK_SERVER_BASE=NOBODY, MLSDK_SHUTDOWN_TIMEOUT="30")
    assert time.monotonic() - began < 20, "not shutdown_timeout"
    line = f"mindlytics: 2 events were not delivered ({NOBODY}: no reply: connection refused)\n"
    assert (0, line) == (ran.returncode, ran.stderr)


def test_a_service_that_never_answers_is_waited_for_once(sink: Sink) -> None:
    sink.always = faults.hang
    began = time.monotonic()
    ran = run(sink, readme_program(), MLSDK_SHUTDOWN_TIMEOUT="6")
    assert 6 < time.monotonic() - began < 12
    assert ran.stderr.startswith(f"mindlytics: 2 events were not delivered ({sink.url}: no reply")


def test_a_time_that_the_program_asks_for_is_kept(sink: Sink) -> None:
    began = time.monotonic()
    run(sink, PROGRAMS / "close_within.py", MLSDK_SERVER_BASE=NOBODY)
    assert time.monotonic() - began > 3


async def test_in_an_outage_not_each_session_is_waited_for(face: Face) -> None:
    face.url = NOBODY
    client = face.client(shutdown_timeout=5)
    began = time.monotonic()
    for _ in range(20):
        async with entered(client.create_session(id="u")) as session:
            await result(session.track_event(event="e"))
    assert time.monotonic() - began < 15
    assert 40 == client.stats().pending


CAUSES = {
    "nothing listens": (NOBODY, "no reply: connection refused"),
    "no such name": ("http://service.invalid", "no reply: name not found"),
    "https where http is spoken": ("https://127.0.0.1:{port}", "no reply: no TLS connection"),
}


@pytest.mark.parametrize("name", CAUSES)
async def test_a_loss_says_where_and_why(any_face: Face, sink: Sink, name: str, caplog: Any) -> None:
    address, why = CAUSES[name]
    any_face.url = address = address.format(port=sink.port)
    client = any_face.client(flush_interval=0, retry_for=0.1)
    await result(client.create_session(id="u").track_event(event="e"))
    assert 1 == (await result(client.flush(20))).dropped
    (error,) = client.get_errors()
    assert error.message.startswith(f"{address}: {why}")
    assert f"events cannot be delivered, retrying: {address}: {why}" in caplog.text


async def test_what_is_dropped_at_the_end_says_why(any_face: Face) -> None:
    any_face.url = NOBODY
    client = any_face.client(flush_interval=0, retry_for=60)
    await result(client.create_session(id="u").track_event(event="e"))
    await result(client.close(0.5))
    (error,) = client.get_errors()
    assert f"ended before it was sent ({NOBODY}: no reply: connection refused)" in error.message


LOSSES = {
    "too many events were pending": {"LOSS": "queue full", "MLSDK_MAX_QUEUE_EVENTS": "2"},
    "the event is larger than max_batch_bytes": {"LOSS": "too large", "MLSDK_MAX_BATCH_BYTES": "100"},
    "the service refused with status 400": {"LOSS": "refused"},
}


@pytest.mark.parametrize("why", LOSSES)
def test_the_line_at_exit_says_why_where_the_service_is_well(sink: Sink, why: str) -> None:
    sink.always = faults.refuse_marked
    ran = run(sink, PROGRAMS / "loses.py", **LOSSES[why])
    assert ran.stderr.endswith(f"not delivered ({why})\n")


def test_debug_names_each_attempt(sink: Sink) -> None:
    sink.faults(faults.status(401, "who are you?"))
    ran = run(sink, PROGRAMS / "one_event.py", MLSDK_DEBUG="1")
    assert "a batch was posted: refused (status 401)" in ran.stderr
    assert f"mindlytics: 1 event was not delivered ({sink.url}: status 401: who are you?)" in ran.stderr


def test_a_closed_stderr_does_not_change_how_a_process_ends(sink: Sink) -> None:
    sink.always = faults.status(403)
    assert 0 == run(sink, PROGRAMS / "closed_stderr.py").returncode
    assert "0\n" == run_forking(sink, PROGRAMS / "closed_stderr.py", CHILD="1").stdout


LOOKUPS = {
    "blocking": {"PROGRAM": "one_event.py"},
    "asyncio": {"PROGRAM": "asyncio_one_event.py", "START": "asyncio"},
    "asyncio, closed": {"PROGRAM": "asyncio_one_event.py", "START": "asyncio", "CLOSE": "1"},
    "direct request": {"PROGRAM": "direct_request.py"},
}


@pytest.mark.parametrize("of", LOOKUPS)
def test_a_name_server_that_hangs_holds_no_end_up(sink: Sink, of: str) -> None:
    began = time.monotonic()
    settings = {"MLSDK_SERVER_BASE": "http://service.invalid", "MLSDK_SHUTDOWN_TIMEOUT": "1"}
    program = {**LOOKUPS[of], "PROGRAM": str(PROGRAMS / LOOKUPS[of]["PROGRAM"])}
    ran = run(sink, PROGRAMS / "silent_name_server.py", **settings, **program)
    assert time.monotonic() - began < 20
    assert 0 == ran.returncode, ran.stderr


# -- time in which the process stands still -----------------------------------------------------------------------


@pytest.mark.parametrize("start", ["blocking", "asyncio"])
def test_time_in_which_the_process_is_frozen_does_not_count(sink: Sink, start: str) -> None:
    sink.faults(faults.status(503))
    settings = {"START": start, "MLSDK_RETRY_FOR": "1.5", "MLSDK_FLUSH_INTERVAL": "0", "MLSDK_DEBUG": "1"}
    command = [sys.executable, str(PROGRAMS / "until_settled.py")]
    with subprocess.Popen(command, env=environment(sink, **settings), stderr=subprocess.PIPE, text=True) as process:
        try:
            sink.wait(lambda: len(sink.requests) == 1)
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(3)  # longer than retry_for: that time passes is what is tested
            os.kill(process.pid, signal.SIGCONT)
            said = process.communicate(timeout=20)[1]
        finally:
            process.kill()
    assert ["e"] == sink.names(), said


async def test_a_batch_whose_first_attempt_takes_too_long_gets_a_second(any_face: Face, sink: Sink) -> None:
    sink.faults(faults.hang)
    client = any_face.client(flush_interval=0, request_timeout=0.6, retry_for=0.3)
    await result(client.create_session(id="u").track_event(event="e"))
    assert 1 == (await result(client.flush(20))).delivered


# -- SIGTERM -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="makes a process the first of its own space")
def test_the_first_process_of_a_container_ends_by_itself(sink: Sink) -> None:
    program = str(PROGRAMS / "first_of_container.py")
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, program]
    settings = {"MLSDK_FLUSH_ON_SIGTERM": "1", "MLSDK_FLUSH_INTERVAL": "60"}
    with subprocess.Popen(command, env=environment(sink, **settings), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                pytest.skip("this machine allows no process spaces")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
            assert 128 + signal.SIGTERM == process.wait(20)
        finally:
            process.kill()
    assert ["e"] == sink.names()


def test_each_sigterm_delivers(sink: Sink) -> None:
    ran = run(sink, PROGRAMS / "two_sigterms.py", MLSDK_FLUSH_ON_SIGTERM="1", MLSDK_FLUSH_INTERVAL="60")
    assert ("1\n2\n", "") == (ran.stdout, ran.stderr)
