"""The short forms of the trials of the spool. Their long forms are for ``python -m tests.spool``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .__main__ import SHORT

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", SHORT)
def test_no_promise_is_broken(name: str) -> None:
    command = [sys.executable, "-m", "tests.spool", name, "--short"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=ROOT)
    assert "" == ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [] == [trial for trial in found if any(trial["faults"].values())]
    assert found
    assert 0 == ran.returncode
