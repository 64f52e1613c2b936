"""The page of the command line names every command and option, and its example is a transcript."""

from __future__ import annotations

import json
import re

import click
import pytest

from mindlytics.cli import main
from mindlytics.transcripts import Call, Transcript, Turn, read

from .processes import ROOT, mindlytics


def usage_of(*command: str) -> str:
    """What a command takes that reads its arguments itself."""
    return mindlytics(*command, "--help").stdout.partition("\n\n")[0]


PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
IMPORTING = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(main.commands))
def test_each_command_has_its_section_and_each_option_its_row(name: str) -> None:
    sections = {found[1]: found[2] for found in re.finditer(r"(?ms)^## `mindlytics (\w+).*?`\n(.*?)(?=^## |\Z)", PAGE)}
    options = [parameter for parameter in main.commands[name].params if isinstance(parameter, click.Option)]
    expected = {option.opts[0] for option in options}
    if name == "spool":
        parts = "".join(usage_of(name, command) for command in ("status", "send", "export"))
        expected = set(re.findall(r"--[\w-]+", parts))
    elif name == "doctor":
        expected = set(re.findall(r"--[\w-]+", usage_of(name)))
    assert expected == set(re.findall(r"(?m)^\| `(--[\w-]+)", sections[name]))


def test_the_example_comes_to_a_call_and_a_turn() -> None:
    found = re.search(r"(?s)```json\n(.*?)```", IMPORTING)
    assert found is not None
    (transcript,) = read([json.dumps(json.loads(found[1]))])
    assert isinstance(transcript, Transcript)
    call, turn = transcript.steps
    assert isinstance(call, Call)
    assert isinstance(turn, Turn)
    assert ("search", '["green"]', "Which tea is there?", "Green tea.") == (
        call.name,
        call.result,
        turn.user,
        turn.assistant,
    )
