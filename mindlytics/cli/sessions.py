"""``mindlytics sessions``: lists sessions, the newest first."""

from __future__ import annotations

import click
from rich.text import Text

from .asking import Row, cell, dollars, find, local, reporting, user_ids, write_json
from .placeoptions import place_options, source_of
from .terminal import console
from .times import TIME

NEWEST = {"started_at": -1}


@click.command()
@click.option("--user", metavar="ID", help="Only sessions of this user, by any id.")
@click.option(
    "--since", type=TIME, metavar="TIME", help="Only sessions that started then or later: 2026-11-26, 2h, 7d."
)
@click.option("--until", type=TIME, metavar="TIME", help="Only sessions that started before.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Sessions at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@place_options
def sessions(
    *,
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
    """List sessions, the newest first."""
    with reporting():
        source = source_of(server, db, api_key, project_id)
        wanted: dict[str, object] = {}
        if user is not None:
            wanted["user_id"] = {"$in": user_ids(source, user)}
        bounds = {sign: time for sign, time in (("$gte", since), ("$lt", until)) if time is not None}
        if bounds:
            wanted["started_at"] = bounds
        found = find(source, "sessions", limit, filter=wanted, sort=NEWEST)
        if as_json:
            write_json(found)
            return
        shown = console()
        for row in found:
            shown.print(line(row), no_wrap=True, crop=False, overflow="ignore")


def line(row: Row) -> Text:
    """A session for people: its start, user, turns, calls, cost and id."""
    text = Text()
    text.append(local(row["started_at"]), "dim")
    text.append("  " + cell(row["user_id"], 20), "bold")
    text.append(f"  {row['turn_count']:>4} turns  {row['function_count']:>3} calls  {dollars(row['cost']):>9}  ")
    text.append(cell("open" if row["ended_at"] is None else "", 4), "green")
    text.append(f"  {cell(row['session_id'], 36)}", "dim")
    text.rstrip()
    return text
