"""``mindlytics import --explain``: the first conversations and problems of each file, and what is left out of it."""

from __future__ import annotations

import click

from ..transcripts import Event, Problem, Summary, Transcript, Turn
from .importfiles import Reading
from .terminal import count, printable

FIRST = 3
"""Conversations, and problems, that are shown of a file. The others are counted."""
LONGEST = 70


def explain(files: tuple[str, ...], reading: Reading) -> int:
    """Show it; the exit status."""
    has_problems = False
    for file in files:
        summary = Summary()
        for where, item, _ in reading.items(file, summary):
            if isinstance(item, Problem):
                if summary.problems <= FIRST:
                    _say(f"{where}: {item.reason}")
            elif summary.conversations <= FIRST:
                _show(where, item)
        more = {"more conversation": summary.conversations - FIRST, "more problem": summary.problems - FIRST}
        if words := ", ".join(count(number, kind) for kind, number in more.items() if number > 0):
            _say(f"{file}: {words}")
        for kind, number in summary.left_out.items():
            _say(f"left out: {kind} ({number})")
        for kind, number in summary.unread.items():
            _say(f"not read: {kind} ({number})")
        for key in reading.absent_keys(summary):
            _say(f"{file}: no record has the key {key!r} of --map")
        if not summary.conversations and not summary.problems:
            _say(f"{file}: holds no conversation")
        has_problems = has_problems or summary.problems > 0
    return int(has_problems)


def _show(where: str, item: Transcript) -> None:
    ids = {name: value for name, value in item.session.items() if value is not None}
    counts = f"{count(item.turns, 'turn')}, {count(item.calls, 'function call')}"
    times = "without times" if item.began is None else f"from {item.began} to {item.ended}"
    _say(f"{where}: {item.shape}, {counts}, {times}")
    for name, value in ids.items():
        _say(f"  {name}: {_short(value)}")
    for step in item.steps:
        if isinstance(step, Turn):
            tokens = "" if step.prompt_tokens is None else f" ({step.prompt_tokens} + {step.completion_tokens} tokens)"
            _say(f"  user: {_short(step.user)}")
            _say(f"  assistant: {_short(step.assistant)}{f' [{step.model}]' if step.model else ''}{tokens}")
        elif isinstance(step, Event):
            _say(f"  event: {_short(step.name)}")
        else:
            _say(f"  call: {step.name}({_short(step.args)}) = {_short(step.result)}")
    for each in item.feedback:
        _say(f"  feedback: {each.name} {each.value}" + ("" if each.turn is None else f" of turn {each.turn + 1}"))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _say(text: str) -> None:
    click.echo(printable(text))
