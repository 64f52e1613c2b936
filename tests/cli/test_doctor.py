"""``mindlytics doctor``, as a process: each thing that can be wrong has a line, and no secret is shown."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mindlytics.cli.checks import Finding, clock_findings
from mindlytics.transport import Reply

from .. import sink as faults
from ..programs import environment
from ..sink import Sink
from .processes import ROOT, mindlytics

KEY = "a-secret-key"
WITHOUT_CLICK = "import sys\nsys.modules['click'] = None\nfrom mindlytics.cli import main\nmain()\n"


def settings(sink: Sink, **more: str) -> dict[str, str]:
    return environment(sink, **{"MLSDK_API_KEY": KEY, "ALIGNAI_API_KEY": "", "ALIGNAI_PROJECT_ID": "", **more})


def doctor(*arguments: str, **variables: str) -> tuple[int, list[str]]:
    """The status, and the findings as ``mark topic words``."""
    ended = mindlytics("doctor", *arguments, **variables)
    assert "" == ended.stderr
    assert KEY not in ended.stdout
    return ended.returncode, [" ".join(line.split()) for line in ended.stdout.splitlines()]


def test_all_is_well(sink: Sink) -> None:
    status, lines = doctor(**settings(sink))
    assert 0 == status
    assert lines[0].startswith("mindlytics 0.")
    assert "requests" in lines[1]
    for expected in (
        "- api_key set (MLSDK_API_KEY)",
        f"- server_endpoint {sink.url} (MLSDK_SERVER_BASE)",
        "ok address 127.0.0.1",
        "- TLS none, on this machine",
        "ok key accepted",
        "ok clock agrees with the service's",
    ):
        assert expected in lines
    (request,) = sink.requests
    assert [] == request.json


def test_a_service_that_takes_no_empty_batch_took_the_key(sink: Sink) -> None:
    sink.always = faults.status(422)
    assert "ok key accepted" in doctor(**settings(sink))[1]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.status(401, "wrong key"), "FAIL key refused with status 401: wrong key"),
        (faults.status(503, "busy"), "FAIL service status 503: busy"),
    ],
)
def test_what_the_reply_says(sink: Sink, fault: faults.Fault, expected: str) -> None:
    sink.always = fault
    status, lines = doctor(**settings(sink))
    assert 1 == status
    assert any(line.endswith(expected) for line in lines), lines


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MLSDK_PROJECT_ID": ""}, "FAIL settings project_id is missing"),
        (
            {"MLSDK_FLUSH_INTERVAL": "soon"},
            "FAIL settings flush_interval: MLSDK_FLUSH_INTERVAL in the",
        ),
        ({"MLSDK_SERVER_BASE": "http://127.0.0.1:9"}, "FAIL connection no reply from http://127.0.0.1:9: "),
        ({"MLSDK_SERVER_BASE": "http://nowhere.invalid"}, "FAIL address nowhere.invalid cannot be resolved"),
        ({"MLSDK_SPOOL": str(ROOT / "setup.cfg")}, "FAIL spool"),
        ({"HTTP_PROXY": "http://me:pw@127.0.0.1:9", "NO_PROXY": "none"}, "- proxy http://127.0.0.1:9"),
    ],
)
def test_what_is_wrong_has_a_line(sink: Sink, variables: dict[str, str], expected: str) -> None:
    status, lines = doctor(**settings(sink, **variables))
    assert 1 == status
    assert any(line.startswith(expected) for line in lines), lines
    assert not any("pw" in line for line in lines)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", [Finding(True, "clock", "agrees with the service's")]),
        ("Wed, 31 Dec 2025 23:59:20 GMT", [Finding(False, "clock", "39 s ahead of the service's")]),
        ("Thu, 01 Jan 2026 00:01:00 GMT", [Finding(False, "clock", "59 s behind the service's")]),
        ("", []),
        ("soon", []),
    ],
)
def test_the_clock_is_compared(date: str, expected: list[Finding]) -> None:
    began = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp()
    assert expected == list(clock_findings(Reply(200, {"Date": date}, b""), began, began + 1))


def test_delivery_that_is_off_is_shown(sink: Sink) -> None:
    status, lines = doctor(**settings(sink, MLSDK_ENABLED="0"))
    assert (0, "- delivery off: nothing is sent") == (status, lines[-1])
    assert [] == sink.requests


def test_all_settings_are_shown_if_asked_for(sink: Sink) -> None:
    assert "- flush_interval 0.5 (default)" in doctor("--all", **settings(sink))[1]
    assert "- flush_interval 0.5 (default)" not in doctor(**settings(sink))[1]


def test_align_ai_is_examined_if_it_is_set_up(sink: Sink) -> None:
    of_align = {"ALIGNAI_API_KEY": KEY, "ALIGNAI_PROJECT_ID": "p", "ALIGNAI_HOST": sink.url}
    status, lines = doctor(**settings(sink, MLSDK_API_KEY="", MLSDK_PROJECT_ID="", **of_align))
    assert (0, 1, 0) == (status, lines.count("align"), lines.count("mindlytics"))


def test_the_spool_is_looked_at(sink: Sink, tmp_path: Path) -> None:
    lines = doctor(**settings(sink, MLSDK_SPOOL=str(tmp_path)))[1]
    assert f"ok spool {tmp_path} holds 0 bytes; see mindlytics spool status" in lines


def test_a_file_of_variables_is_named(sink: Sink, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"MLSDK_API_KEY={KEY}\nMLSDK_PROJECT_ID=of-the-file\n")
    lines = doctor(**settings(sink, MLSDK_API_KEY="", MLSDK_DOTENV=str(file)))[1]
    assert f"- api_key set (MLSDK_API_KEY in {file})" in lines
    assert "- project_id p (MLSDK_PROJECT_ID)" in lines


def test_a_file_of_variables_is_an_option_of_all_commands(sink: Sink, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"MLSDK_API_KEY={KEY}\n")
    variables = settings(sink)
    del variables["MLSDK_API_KEY"]
    program = [sys.executable, "-m", "mindlytics", "--dotenv", str(file), "doctor"]
    ended = subprocess.run(program, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    refused = mindlytics("--dotenv", tmp_path / "none", "doctor", **variables)
    assert (2, True) == (refused.returncode, f"cannot read {tmp_path / 'none'}" in refused.stderr)


def test_it_needs_no_extra(sink: Sink) -> None:
    program = [sys.executable, "-c", WITHOUT_CLICK, "doctor"]
    ended = subprocess.run(program, env=settings(sink), capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "accepted" in ended.stdout
