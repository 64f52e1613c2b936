"""``mindlytics sessions``: lists sessions, the newest first."""

from __future__ import annotations

import click
from rich.text import Text

from ..recorded.source import Source
from .asking import NEWEST, Row, cell, dollars, find, local, reporting, user_ids, write_rows
from .placeoptions import json_option, source_option, span_options
from .terminal import count


@click.command()
@click.option("--user", metavar="ID", help="Only sessions of this user, by any id.")
@span_options("sessions that started")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Sessions at most.")
@json_option
@source_option
def sessions(
    *, user: str | None, since: str | None, until: str | None, limit: int, as_json: bool, source: Source
) -> None:
    """List sessions, the newest first."""
    with reporting():
        wanted: dict[str, object] = {}
        if user is not None:
            wanted["user_id"] = {"$in": user_ids(source, user)}
        bounds = {sign: time for sign, time in (("$gte", since), ("$lt", until)) if time is not None}
        if bounds:
            wanted["started_at"] = bounds
        found = find(source, "sessions", limit, filter=wanted, sort=NEWEST)
        write_rows(source, found, line, as_json=as_json)


def line(row: Row) -> Text:
    """A session for people: its start, user, turns, calls, cost and id."""
    text = Text()
    text.append(local(row["started_at"]), "dim")
    text.append("  " + cell(row["user_id"], 20), "bold")
    text.append(f"  {_count(row['turn_count'], 'turn'):>10}  {_count(row['function_count'], 'call'):>9}")
    text.append(f"  {dollars(row['cost']):>9}  ")
    text.append(cell("open" if row["ended_at"] is None else "", 4), "green")
    text.append(f"  {cell(row['session_id'], 36)}", "dim")
    text.rstrip()
    return text


def _count(number: object, one: str) -> str:
    """A count as wide as that of several."""
    return count(number, one) + (" " if number == 1 else "")
