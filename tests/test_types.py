"""What type checkers say of the programs of users: the right ones pass, and each wrong line is an error.

The package says what its values are, too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = ("tests/typed_program.py", "tests/antonnia/typed_program.py")
WRONG = re.compile(r"  # type: ignore\[([\w-]+)\]")
"""Marks a line that is wrong, with the code of mypy's error."""


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[int, str]]:
    """A program without its marks, and the errors that its lines are to have."""
    text = (ROOT / request.param).read_text("utf-8")
    copied = tmp_path / "program.py"
    copied.write_text(WRONG.sub("", text), "utf-8")
    marks = {number: WRONG.search(line) for number, line in enumerate(text.splitlines(), 1)}
    return copied, {number: mark[1] for number, mark in marks.items() if mark}


def test_mypy_sees_what_is_wrong_and_nothing_else(program: tuple[Path, dict[int, str]]) -> None:
    pytest.importorskip("mypy")
    path, expected = program
    ran = run(sys.executable, "-m", "mypy", "--strict", "--hide-error-context", str(path))
    errors = re.findall(rf"^{re.escape(str(path))}:(\d+): error: .*\[([\w-]+)\]$", ran.stdout, re.MULTILINE)
    assert expected == {int(line): code for line, code in errors}, ran.stdout


def test_pyright_sees_what_is_wrong_and_nothing_else(program: tuple[Path, dict[int, str]]) -> None:
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent))
    if pyright is None:
        pytest.skip("pyright is not installed")
    path, expected = program
    ran = run(pyright, "--pythonpath", sys.executable, str(path))
    lines = re.findall(rf"^\s*{re.escape(str(path))}:(\d+):\d+ - error: ", ran.stdout, re.MULTILINE)
    assert sorted(expected) == sorted({int(line) for line in lines}), ran.stdout


def test_few_types_are_any() -> None:
    files = [path.read_text("utf-8") for path in (ROOT / "mindlytics").rglob("*.py")]
    words = sum(len(re.findall(r"\bAny\b", text)) for text in files)
    lines = sum(text.count("\n") for text in files)
    assert 15 > 1000 * words / lines, f"{words} in {lines} lines"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
