"""``mindlytics stats``: sums over sessions, in all or by day."""

from __future__ import annotations

from typing import cast

import click

from ..recorded.source import Source
from .asking import Row, dollars, reporting, write_json
from .placeoptions import json_option, source_option, span_options

STATS_PATH = "/bc/v1/stats"
COLUMNS = {
    "sessions": ["sessions"],
    "users": ["users"],
    "turns": ["turns"],
    "calls": ["calls"],
    "tokens in/out": ["prompt_tokens", "completion_tokens"],
    "cost": ["cost"],
    "fulfilled": ["fulfilled", "intents"],
}
"""The columns for people, and what is in each."""


@click.command()
@click.option("--by", type=click.Choice(["day"]), help="A row for each day, in UTC. Default: one row for all.")
@span_options("sessions that started")
@json_option
@source_option
def stats(*, by: str | None, since: str | None, until: str | None, as_json: bool, source: Source) -> None:
    """Show how many sessions, users, turns, calls and tokens there are, and what they cost."""
    with reporting():
        wanted = {"by": by, "since": since, "until": until}
        answer = source.ask(STATS_PATH, {name: value for name, value in wanted.items() if value is not None})
        found = cast("list[Row]", answer["results"])
        if as_json:
            write_json(found)
        else:
            for line in table(found, by):
                click.echo(line)


def table(found: list[Row], by: str | None) -> list[str]:
    """The sums for people, in columns."""
    heads = [*([] if by is None else [by]), *COLUMNS]
    rows = [heads, *([_shown(row, head) for head in heads] for row in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]


def _shown(row: Row, head: str) -> str:
    if head == "day":
        return str(row["day"])
    if head == "cost":
        return dollars(row["cost"])
    return "/".join(f"{row[name]:,}" for name in COLUMNS[head])
