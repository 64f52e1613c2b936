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


def packed(program: str, folder: Path) -> str:
    """What PyInstaller makes of a program."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    build = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", "program.py"]
    subprocess.run(build, cwd=folder, check=True, timeout=300)
    return str(folder / "dist" / "program" / "program")


def test_a_packed_program_records_for_both_services(tmp_path: Path, sink: Sink) -> None:
    command = packed(PROGRAM, tmp_path)
    ended = subprocess.run(command, env=environment(sink), capture_output=True, text=True, timeout=60, check=False)
    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)
    bodies = {request.headers["Content-Type"] for request in sink.requests}
    assert {"application/json", "application/proto"} == bodies


def test_a_packed_command_line_has_its_commands(tmp_path: Path) -> None:
    command = packed("from mindlytics.cli import main\n\nmain()\n", tmp_path)
    ended = subprocess.run([command, "serve", "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "Run a local server" in ended.stdout
