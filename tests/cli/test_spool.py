"""``mindlytics spool``, as processes: it shows, sends and exports what is left, with and without click."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import sink as faults
from ..programs import ALIGN, BLOCKING, TRACK, environment, run
from ..sink import Sink
from ..spool.found import remove_porches
from .processes import mindlytics

WITHOUT_CLICK = "import sys\nsys.modules['click'] = None\nfrom mindlytics.cli import main\nmain()\n"
NAMES = [str(number) for number in range(50)]


@pytest.fixture
def spool(sink: Sink, tmp_path: Path) -> Iterator[Path]:
    """What a program left, which recorded 50 events while the service was down."""
    leave(sink, tmp_path, BLOCKING)
    yield tmp_path
    remove_porches(tmp_path)


def leave(sink: Sink, spool: Path, start: str) -> None:
    sink.always = faults.status(503)
    assert 0 == run(sink, start + TRACK, MLSDK_SPOOL=str(spool)).returncode
    sink.always = faults.fine
    sink.requests.clear()


def command(sink: Sink, spool: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return mindlytics("spool", *arguments, "--spool", spool, **environment(sink, **more))


def table(spool: Path) -> list[list[str]]:
    ended = mindlytics("spool", "status", MLSDK_SPOOL=str(spool))
    assert (0, "") == (ended.returncode, ended.stderr)
    head, *rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["FOLDER", "ADDRESS", "PROJECT", "EVENTS", "RUNNING", "BYTES", "OLDEST"] == head
    return rows


def files(spool: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in spool.rglob("*") if path.is_file()}


def test_status_shows_what_is_left_and_changes_nothing(sink: Sink, spool: Path) -> None:
    before = files(spool)
    ((folder, address, project, events, running, size, oldest),) = table(spool)
    assert (sink.url, "p", "50", "0") == (address, project, events, running)
    assert (spool / folder).is_dir()
    assert sum(path.stat().st_size for path in spool.rglob("*.log")) == int(size)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", oldest)
    assert before == files(spool)


def test_status_shows_what_a_running_program_will_send(sink: Sink, spool: Path) -> None:
    sink.always = faults.status(503)
    program = "import sys, time\n" + BLOCKING + TRACK
    program += "while client.stats().spooled < 50: time.sleep(0.01)\nprint('ready', flush=True)\nsys.stdin.read()\n"
    variables = environment(sink, MLSDK_SPOOL=str(spool))
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process as running:
        assert running.stdout is not None
        assert "ready\n" == running.stdout.readline()
        ((*_, events, of_running, _, _),) = table(spool)
        running.kill()
    assert "100" == events
    assert of_running in ("50", "100")  # it may have taken over what was left


@pytest.mark.parametrize("program", ["-m mindlytics", "without click"])
def test_send_delivers_what_is_left(sink: Sink, spool: Path, program: str) -> None:
    options = ["-m", "mindlytics"] if program == "-m mindlytics" else ["-c", WITHOUT_CLICK]
    ended = subprocess.run(
        [sys.executable, "-W", "error", *options, "spool", "send", "--spool", str(spool)],
        env=environment(sink),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (ended.returncode, ended.stderr)
    assert re.fullmatch(r"mindlytics-\w+: 50 delivered, 0 refused, 0 dropped\n", ended.stdout)
    assert NAMES == sink.names()
    assert [["0", "0", "0", "-"]] == [row[3:] for row in table(spool)]


def test_without_click_no_other_command_runs(sink: Sink) -> None:
    program = [sys.executable, "-c", WITHOUT_CLICK, "serve"]
    ended = subprocess.run(program, env=environment(sink), capture_output=True, text=True, timeout=60, check=False)
    assert 1 == ended.returncode
    assert "mindlytics: the command line needs click: install 'mindlytics[local]'\n" == ended.stderr


def test_send_delivers_for_both_services(sink: Sink, spool: Path) -> None:
    leave(sink, spool, ALIGN)
    ended = command(sink, spool, "send")
    assert (0, "", 2) == (ended.returncode, ended.stderr, ended.stdout.count("50 delivered"))
    assert sorted(NAMES * 2) == sorted(sink.names())


def test_send_waits_for_a_service_that_is_down_for_so_long_only(sink: Sink, spool: Path) -> None:
    sink.always = faults.status(503)
    before = table(spool)
    ended = command(sink, spool, "send", "--patience", "0.5")
    assert 1 == ended.returncode
    assert "status 503" in ended.stderr
    assert "some events are left" in ended.stderr
    assert before[0][3:5] == table(spool)[0][3:5]


def test_what_another_key_recorded_is_sent_where_that_is_asked_for(sink: Sink, spool: Path) -> None:
    key = {"MLSDK_API_KEY": "another"}
    ended = command(sink, spool, "send", **key)
    assert (1, []) == (ended.returncode, sink.requests)
    assert "recorded for another API key" in ended.stderr
    for other in ({"MLSDK_PROJECT_ID": "q"}, {"MLSDK_SERVER_BASE": "http://127.0.0.1:9"}):
        ended = command(sink, spool, "send", "--any-key", **key, **other)
        assert (1, []) == (ended.returncode, sink.requests)
    ended = command(sink, spool, "send", "--any-key", **key)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert NAMES == sink.names()
    assert {"Bearer another"} == {request.headers["Authorization"] for request in sink.requests}
    assert ["0", "0"] == [row[3] for row in table(spool)]


def test_send_without_a_key_says_so(spool: Path) -> None:
    ended = mindlytics("spool", "send", "--spool", spool)
    assert 1 == ended.returncode
    assert "MLSDK_API_KEY" in ended.stderr


@pytest.mark.parametrize(("start", "service"), [(BLOCKING, "mindlytics"), (ALIGN, "align")])
def test_export_writes_every_event(sink: Sink, tmp_path: Path, start: str, service: str) -> None:
    leave(sink, tmp_path, start)
    before = files(tmp_path)
    ended = command(sink, tmp_path, "export")
    assert (0, "") == (ended.returncode, ended.stderr)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {(service, sink.url, "p")} == {(line["service"], line["endpoint"], line["project"]) for line in lines}
    words = [
        line["event"]["event"]
        if service == "mindlytics"
        else line["event"]["properties"]["messageProperties"]["messageContent"]
        for line in lines
    ]
    assert NAMES == words
    assert before == files(tmp_path)


def test_what_a_later_version_wrote_is_named_and_left(sink: Sink, spool: Path) -> None:
    (log,) = spool.rglob("*.log")
    log.write_bytes(b"MLS\xff" + bytes(100))
    for name in ("status", "export", "send"):
        ended = command(sink, spool, name)
        assert (1 if name == "send" else 0) == ended.returncode
        assert ("some events are left" if name == "send" else "a later version") in ended.stderr
    assert [] == sink.requests


def test_a_directory_that_is_none(spool: Path) -> None:
    ended = mindlytics("spool", "status", "--spool", spool / "nowhere")
    assert (2, f"mindlytics: {spool / 'nowhere'} is not a directory\n") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("command", ["status", "export"])
def test_a_reader_that_leaves_ends_it_quietly(sink: Sink, spool: Path, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", "mindlytics", "spool", command, "--spool", str(spool)]
    left = subprocess.run(
        program, env=environment(sink), stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)
    assert (1, b"") == (left.returncode, left.stderr)
