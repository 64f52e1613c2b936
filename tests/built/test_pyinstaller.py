"""A program that PyInstaller has packed finds what the package keeps beside its modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..programs import environment
from ..sink import Sink

pytest.importorskip("PyInstaller")
pytestmark = pytest.mark.timeout(600)

PROGRAM = """
from mindlytics import Client
from mindlytics.align import AlignAI

with Client(destinations=[AlignAI()]) as client, client.create_session(id="ada") as session:
    session.track_conversation_turn(user="Where is my parcel?", assistant="It arrives tomorrow.")
"""


def test_a_packed_program_records_for_both_services(tmp_path: Path, sink: Sink) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    build = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", "program.py"]
    subprocess.run(build, cwd=tmp_path, check=True, timeout=300)
    packed = [tmp_path / "dist" / "program" / "program"]
    ended = subprocess.run(packed, env=environment(sink), capture_output=True, text=True, timeout=60, check=False)
    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)
    bodies = {request.headers["Content-Type"] for request in sink.requests}
    assert {"application/json", "application/proto"} == bodies
