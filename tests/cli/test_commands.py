"""The group of the commands: each is imported when it is wanted, and no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mindlytics.cli import main

from .processes import environment, mindlytics

FILES = {
    "demo": "demo",
    "doctor": "plain",
    "export": "exporting",
    "forget": "forgetting",
    "import": "importing",
    "mcp": "mcp",
    "search": "searching",
    "serve": "serve",
    "sessions": "sessions",
    "show": "showing",
    "spool": "plain",
    "stats": "stats",
    "tail": "tail",
}
"""The file of each command."""


def loaded_by(statement: str) -> set[str]:
    """The files of commands that a program has imported."""
    program = f"import sys\n{statement}\nprint(*(name for name in sys.modules if name.startswith('mindlytics.cli.')))"
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    return {name.rpartition(".")[2] for name in ended.stdout.split()} & set(FILES.values())


def test_the_group_alone_loads_no_command() -> None:
    assert set() == loaded_by("from mindlytics.cli import main\nassert 'serve' in main.commands")


@pytest.mark.parametrize("name", FILES)
def test_a_command_loads_its_own_file_only(name: str) -> None:
    assert {FILES[name]} == loaded_by(f"from mindlytics.cli import main\nmain.commands[{name!r}]")


def test_the_help_of_the_group_lists_every_command_and_loads_no_server() -> None:
    ended = mindlytics("--help")
    assert 0 == ended.returncode
    assert sorted(FILES) == [line.split()[0] for line in ended.stdout.partition("Commands:\n")[2].splitlines()]
    run_help = "from mindlytics.cli import main\nmain(['--help'], standalone_mode=False)\n"
    subprocess.run(
        [sys.executable, "-c", f"{run_help}import sys\nassert 'aiohttp' not in sys.modules"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        timeout=30,
        check=True,
    )


def test_a_name_of_no_command() -> None:
    ended = mindlytics("nothing")
    assert 2 == ended.returncode
    assert "No such command 'nothing'" in ended.stderr
    assert "nothing" not in main.commands
