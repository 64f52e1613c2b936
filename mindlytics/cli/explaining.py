"""``mindlytics import --explain``: what the first conversations of each file come to, and what is left out of them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from ..transcripts import Event, Problem, Summary, Transcript, Turn
from .importing import STDIN, place, sources_of
from .terminal import printable

FIRST = 3
LONGEST = 70


def explain(files: tuple[str, ...], reading: Any) -> int:
    """Show it; the exit status."""
    status = 0
    for file in files:
        summary = Summary()
        items = (
            (place(source.path, item), item)
            for source, _ in sources_of(file, "<stdin>" if file == STDIN else file, reading.options.names)
            for item in reading.items(source, summary)
        )
        for where, item in islice(items, FIRST):
            if isinstance(item, Problem):
                status = 1
                _say(f"{where}: {item.reason}")
            else:
                _show(where, item)
        for kind, count in summary.left_out.items():
            _say(f"left out: {kind} ({count})")
        for kind, count in summary.unread.items():
            _say(f"not read: {kind} ({count})")
        if not summary.conversations and not summary.problems:
            _say(f"{file}: holds no conversation")
    return status


def _show(where: str, item: Transcript) -> None:
    ids = {name: value for name, value in item.session.items() if value is not None}
    _say(f"{where}: {item.shape}, {item.turns} turns, {item.calls} function calls, from {item.began} to {item.ended}")
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
