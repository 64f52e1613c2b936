"""``mindlytics search``: finds what was said, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import click
from rich.text import Text

from .asking import Row, cell, local, plain, reporting, rows, write_json
from .placeoptions import place_options, source_of
from .terminal import console
from .times import TIME

SEARCH_PATH = "/bc/v1/search"


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--user", metavar="ID", help="Only what this user recorded, by any id.")
@click.option("--since", type=TIME, metavar="TIME", help="Only what was said then or later: 2026-11-26, 2h, 7d.")
@click.option("--until", type=TIME, metavar="TIME", help="Only what was said before.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Results at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@place_options
def search(
    *,
    words: tuple[str, ...],
    user: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
    server: str | None,
    db: str | None,
    api_key: str | None,
    project_id: str | None,
) -> None:
    """Find the turns, function calls, feedback and users that hold all WORDS."""
    with reporting():
        source = source_of(server, db, api_key, project_id)
        found = rows(source, SEARCH_PATH, limit, q=" ".join(words), user=user, since=since, until=until)
        if as_json:
            write_json(found)
            return
        shown = console()
        for row in found:
            shown.print(line(row), no_wrap=True, crop=False, overflow="ignore")


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
        text.append(_piece(snippet[end:first]))
        text.append(plain(snippet[first:last]), "bold yellow")
        end = last
    text.append(_piece(snippet[end:]))
    return text


def _piece(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
