"""Whole programs with a spool: cron scripts, kills, forks, and what is opened without one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import sink as faults
from ..programs import ALIGN, ASYNC, ASYNC_ALIGN, ATRACK, BLOCKING, FORKING, STRICT, TRACK, environment, run
from ..sink import Sink
from .found import remove_porches

SCRIPTS = {
    "blocking": BLOCKING + TRACK,
    "with a block": BLOCKING + "with client:\n    for n in range(50): session.track_event(event=str(n))\n",
    "asyncio": ASYNC + ATRACK + "asyncio.run(main())",
    "Align AI": ALIGN + TRACK,
    "Align AI, asyncio": ASYNC_ALIGN + ATRACK + "asyncio.run(main())",
}
NAMES = [str(number) for number in range(50)]


@pytest.fixture(autouse=True)
def no_porches(tmp_path: Path) -> Iterator[None]:
    yield
    remove_porches(tmp_path)


def runs(spool: Path) -> list[Path]:
    return list(spool.glob("*/*-*"))


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_leaves_at_once_while_the_service_is_down_and_the_next_one_delivers(
    sink: Sink, tmp_path: Path, script: str
) -> None:
    down = {"MLSDK_SERVER_BASE": "http://127.0.0.1:9", "ALIGNAI_HOST": "http://127.0.0.1:9"}
    sink.always = faults.status(503)
    for settings in (down, {}):
        ran = run(sink, script, *STRICT, MLSDK_SPOOL=str(tmp_path), **settings)
        assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert 2 == len(runs(tmp_path))
    sink.always = faults.fine
    ran = run(sink, script, *STRICT, MLSDK_SPOOL=str(tmp_path))
    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)
    assert sink.names() in (NAMES * 2, *(NAMES[:n] + NAMES + NAMES[n:] for n in range(51)))
    assert 1 == len(runs(tmp_path))  # that of the other address


TIMED = "import time, atexit\natexit.register(lambda: print(time.monotonic() - since))\n"


def test_the_exit_of_a_script_waits_for_no_service_that_is_down(sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    ran = run(sink, TIMED + BLOCKING + TRACK + "since = time.monotonic()", MLSDK_SPOOL=str(tmp_path))
    assert 0 <= float(ran.stdout) < 4


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "os.abort()"])
@pytest.mark.parametrize("start", [BLOCKING, ASYNC], ids=["blocking", "asyncio"])
def test_what_is_in_the_spool_survives_every_end(sink: Sink, tmp_path: Path, start: str, ending: str) -> None:
    sink.always = faults.status(503)
    wait = "import os, time\nwhile client.stats().spooled < 50: time.sleep(0.01)\n"
    run(sink, start + TRACK + wait + ending, MLSDK_SPOOL=str(tmp_path))
    assert 1 == len(runs(tmp_path))
    sink.always = faults.fine
    ran = run(sink, start + "session.track_event(event='own')", *STRICT, MLSDK_SPOOL=str(tmp_path))
    assert (0, "") == (ran.returncode, ran.stderr)
    assert NAMES == [name for name in sink.names() if name != "own"]
    assert [] == runs(tmp_path)


ENDS = ["os._exit(0)", "os.kill(os.getpid(), 9)"]
UNTIL_EMPTY = """
import time
folder, until = client.pipeline.spooler.directory.path, time.monotonic() + 20
while list(folder.glob('*-*')) and time.monotonic() < until: time.sleep(0.01)
"""
STARTS = {"blocking": BLOCKING, "asyncio": ASYNC, "Align AI": ALIGN, "Align AI, asyncio": ASYNC_ALIGN}


@pytest.mark.parametrize("ending", ENDS)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_an_event_whose_call_has_returned_survives(sink: Sink, tmp_path: Path, start: str, ending: str) -> None:
    for count in (1, 400):
        sink.events.clear()
        record = f"import os\nfor n in range({count}): session.track_event(event=str(n))\n"
        assert "" == run(sink, start + record + ending, MLSDK_SPOOL=str(tmp_path)).stderr
        taken = run(sink, start + UNTIL_EMPTY, *STRICT, MLSDK_SPOOL=str(tmp_path))
        assert (0, "") == (taken.returncode, taken.stderr)
        assert [str(n) for n in range(count)] == sink.names()
        assert [] == runs(tmp_path)


PARENT_AND_CHILD = """
import os, sys, time
for n in range(25): session.track_event(event=str(n))
while client.stats().spooled < 25: time.sleep(0.01)
child = os.fork()
if child == 0:
    assert (0, 0) == (client.stats().pending, client.stats().spooled)
    for n in range(25, 50): session.track_event(event=str(n))
    while client.stats().spooled < 25: time.sleep(0.01)
    print('ready', flush=True)
    sys.stdin.read()
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_killed_parent_is_taken_over_while_its_forked_child_lives(sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    program = [sys.executable, *FORKING, "-c", BLOCKING + PARENT_AND_CHILD]
    given = environment(sink, MLSDK_SPOOL=str(tmp_path))
    with subprocess.Popen(program, env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert "ready\n" == parent.stdout.readline()
        assert 2 == len(runs(tmp_path))
        parent.send_signal(signal.SIGKILL)
        parent.wait(20)
        sink.always = faults.fine
        taker = "import time\nuntil = time.monotonic() + 20\n" + BLOCKING
        taker += "while client.stats().recovered < 25 and time.monotonic() < until: time.sleep(0.01)\n"
        ran = run(sink, taker, *STRICT, MLSDK_SPOOL=str(tmp_path))
        assert (0, "") == (ran.returncode, ran.stderr)
        assert NAMES[:25] == [name for name in sink.names() if int(name) < 25]
        sink.wait(lambda: len(sink.names()) == 50)  # the child delivers its own
        parent.stdin.close()
    assert NAMES == sorted(sink.names(), key=int)


OPENED = """
import sys
opened = []
sys.addaudithook(lambda name, args: opened.append(args[:2]) if name in ('open', 'os.mkdir') else None)
"""
REPORT = "print([each for each in opened if str(each[1]).startswith(('w', 'a', 'r+'))])\n"


def test_without_a_spool_no_file_is_written_and_nothing_of_it_is_imported(sink: Sink) -> None:
    ran = run(sink, OPENED + BLOCKING + TRACK + "client.flush()\n" + REPORT)
    assert "[]\n" == ran.stdout
    ran = run(sink, BLOCKING + TRACK + "client.flush()\nimport sys\nprint([n for n in sys.modules if 'spool' in n])")
    assert "[]\n" == ran.stdout


def test_many_starts_with_the_service_down_stay_within_the_bound(sink: Sink, tmp_path: Path) -> None:
    sink.always = faults.status(503)
    program = BLOCKING + (
        "import os\nfor start in range(30):\n    child = os.fork()\n    if child == 0:\n"
        "        for n in range(100): session.track_event(event='x', properties={'text': 'y' * 1000})\n"
        "        import time; until = time.monotonic() + 5\n"
        "        spooler = client.pipeline.spooler\n"
        "        while not spooler.is_full and client.stats().spooled < 100 and time.monotonic() < until:\n"
        "            time.sleep(0.005)\n"
        "        os.kill(os.getpid(), 9)\n"
        "    os.waitpid(child, 0)\n"
    )
    run(sink, program, MLSDK_SPOOL=str(tmp_path), MLSDK_SPOOL_MAX_BYTES=str(1024 * 1024))
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.log"))
    assert 512 * 1024 < size <= 1024 * 1024 + 256 * 1024
