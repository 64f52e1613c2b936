"""Whole programs with a spool: cron scripts, kills, forks, and what is opened without one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import sink as faults
from ..processes import PROGRAMS
from ..programs import FORKING, STARTS, STRICT, UNMEASURED, environment, run
from ..sink import Sink
from .found import remove_porches

SCRIPTS = {
    "blocking": ("many_events.py", "blocking"),
    "with a block": ("with_block.py", "blocking"),
    "asyncio": ("asyncio_run.py", "asyncio"),
    "Align AI": ("many_events.py", "AlignAI"),
    "Align AI, asyncio": ("asyncio_run.py", "AsyncAlignAI"),
}
"""By name: a program, and what it records with."""
NAMES = [str(number) for number in range(50)]


@pytest.fixture(autouse=True)
def no_porches(tmp_path: Path) -> Iterator[None]:
    yield
    remove_porches(tmp_path)


def runs(spool: Path) -> list[Path]:
    return list(spool.glob("*/*-*"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_leaves_at_once_while_the_service_is_down_and_the_next_one_delivers(
    sink: Sink, tmp_path: Path, script: str
) -> None:
    program, start = SCRIPTS[script]
    down = {"MLSDK_SERVER_BASE": "http://127.0.0.1:9", "ALIGNAI_HOST": "http://127.0.0.1:9"}
    sink.always = faults.status(503)
    for settings in (down, {}):
        ran = run(sink, PROGRAMS / program, *STRICT, START=start, MLSDK_SPOOL=str(tmp_path), **settings)
        assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert 2 == len(runs(tmp_path))
    sink.always = faults.fine
    ran = run(sink, PROGRAMS / program, *STRICT, START=start, MLSDK_SPOOL=str(tmp_path))
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert sink.names() in (NAMES * 2, *(NAMES[:n] + NAMES + NAMES[n:] for n in range(51)))
    assert 1 == len(runs(tmp_path))  # that of the other address


def test_the_exit_of_a_script_waits_for_no_service_that_is_down(sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    ran = run(sink, PROGRAMS / "timed_exit.py", MLSDK_SPOOL=str(tmp_path))
    assert 0 <= float(ran.stdout) < 4


@pytest.mark.parametrize("ending", ["os._exit", "SIGKILL", "SIGTERM", "abort"])
@pytest.mark.parametrize("start", ["blocking", "asyncio"])
def test_what_is_in_the_spool_survives_every_end(sink: Sink, tmp_path: Path, start: str, ending: str) -> None:
    sink.always = faults.status(503)
    run(sink, PROGRAMS / "ends_once_spooled.py", START=start, ENDING=ending, MLSDK_SPOOL=str(tmp_path))
    assert 1 == len(runs(tmp_path))
    sink.always = faults.fine
    for _ in range(2):  # the first may end between the last answer and the removal of what is settled
        ran = run(sink, PROGRAMS / "one_event.py", *STRICT, START=start, MLSDK_SPOOL=str(tmp_path))
        assert (0, "") == (ran.returncode, ran.stderr)
    assert NAMES == [name for name in sink.names() if name != "e"]
    assert [] == runs(tmp_path)


@pytest.mark.parametrize("ending", ["os._exit", "SIGKILL"])
@pytest.mark.parametrize("start", STARTS)
def test_an_event_whose_call_has_returned_survives(sink: Sink, tmp_path: Path, start: str, ending: str) -> None:
    for count in (1, 400):
        sink.events.clear()
        settings = {"START": start, "MLSDK_SPOOL": str(tmp_path)}
        ran = run(sink, PROGRAMS / "many_events.py", COUNT=str(count), ENDING=ending, **settings)
        assert "" == ran.stderr
        taken = run(sink, PROGRAMS / "empties_spool.py", *STRICT, **settings)
        assert (0, "") == (taken.returncode, taken.stderr)
        assert [str(n) for n in range(count)] == sink.names()
        assert [] == runs(tmp_path)


def test_a_killed_parent_is_taken_over_while_its_forked_child_lives(sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    command = [sys.executable, *FORKING, str(PROGRAMS / "parent_and_child.py")]
    variables = environment(sink, MLSDK_SPOOL=str(tmp_path), **UNMEASURED)
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert "ready\n" == parent.stdout.readline()
        assert 2 == len(runs(tmp_path))
        parent.send_signal(signal.SIGKILL)
        parent.wait(20)
        sink.always = faults.fine
        ran = run(sink, PROGRAMS / "takes_over.py", *STRICT, MLSDK_SPOOL=str(tmp_path))
        assert (0, "") == (ran.returncode, ran.stderr)
        assert NAMES[:25] == [name for name in sink.names() if int(name) < 25]
        sink.wait(lambda: len(sink.names()) == 50)  # the child delivers its own
        parent.stdin.close()
    assert NAMES == sorted(sink.names(), key=int)


def test_without_a_spool_no_file_is_written_and_nothing_of_it_is_imported(sink: Sink) -> None:
    ran = run(sink, PROGRAMS / "opened_files.py")
    assert "[]\n[]\n" == ran.stdout
