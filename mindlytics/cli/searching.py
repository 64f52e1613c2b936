"""``mindlytics search``: finds what was said, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import click
from rich.text import Text

from ..recorded.source import Source
from .asking import Row, cell, local, one_line, plain, reporting, rows, write_rows
from .placeoptions import json_option, source_option, span_options

SEARCH_PATH = "/bc/v1/search"


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--user", metavar="ID", help="Only what this user recorded, by any id.")
@span_options("what was said")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Results at most.")
@json_option
@source_option
def search(
    *,
    words: tuple[str, ...],
    user: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
    source: Source,
) -> None:
    """Find the turns, function calls, feedback and users that hold all WORDS."""
    with reporting():
        found = rows(source, SEARCH_PATH, limit, q=" ".join(words), user=user, since=since, until=until)
        write_rows(source, found, line, as_json=as_json)


def line(row: Row) -> Text:
    """A result for people: its time, kind, user and session, and the part of the text with the words."""
    text = Text()
    text.append(local(row["timestamp"]), "dim")
    text.append("  " + cell(row["kind"], 8), "blue")
    text.append("  " + cell(row["user_id"], 12), "bold")
    text.append("  " + cell(row.get("session_id"), 12) + "  ", "dim")
    snippet = str(row["snippet"])
    end = 0
    for first, last in cast("Sequence[tuple[int, int]]", row["matches"]):
        text.append(one_line(snippet[end:first]))
        text.append(plain(snippet[first:last]), "bold yellow")
        end = last
    text.append(one_line(snippet[end:]))
    return text
