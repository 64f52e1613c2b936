"""``mindlytics forget``: deletes all that is recorded of a person, at a server or in its database."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta

import click

from .. import HTTPClient, MindlyticsError
from ..recorded.source import failure, without_password
from ..values import UTC
from .placeoptions import place_options
from .serveroptions import LOCAL, check_one_place, check_scheme, credentials
from .terminal import count, fail, printable
from .times import span

SECONDS = 3600.0
"""How long a server may take to answer. It writes its whole database anew."""


@click.command()
@click.option("--user", required=True, metavar="ID", help="The person, by any id.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--keep-out",
    type=span,
    default="7d",
    show_default=True,
    metavar="TIME",
    help="Store nothing new of the person for this time: 90s, 30m, 2h, 7d, or none. It replaces an earlier one.",
)
@place_options
def forget(
    *,
    user: str,
    yes: bool,
    keep_out: float | None,
    server: str | None,
    db: str | None,
    api_key: str | None,
    project_id: str | None,
) -> None:
    """Delete all that is recorded of a person: sessions, texts, findings, ids and devices."""
    seconds = keep_out or 0.0
    check_one_place(server, db)
    place = db or server or LOCAL
    if db is None:
        check_scheme(place)
    if not yes and not (sys.stdin and sys.stdin.isatty()):
        raise click.UsageError("--yes is missing, and there is no terminal to ask")
    if not yes:
        click.confirm(
            f"Delete all that is recorded of {printable(user)} at {printable(without_password(place))}?", abort=True
        )
    began = datetime.now(UTC)
    try:
        sessions, events, contacts = (
            _ask(place, user, seconds, api_key, project_id) if db is None else _delete(db, user, seconds, project_id)
        )
    except MindlyticsError as error:
        fail(error, 1)
    person = printable(user)
    deleted = f"{count(sessions, 'session')}, {count(events, 'event')}, {count(contacts, 'contact')}"
    click.echo(f"{person} is forgotten: {deleted}")
    until = (began + timedelta(seconds=seconds)).astimezone()
    stored = f"stay out until {until:%Y-%m-%d %H:%M}" if seconds else "are stored"
    click.echo(f"New events of {person} {stored}")


def _ask(
    server: str, user: str, seconds: float, api_key: str | None, project_id: str | None
) -> tuple[object, object, object]:
    key, project, local = credentials(server, api_key, project_id)
    with HTTPClient(
        api_key=key,
        project_id=project,
        server_endpoint=server,
        trust_env=not local,
        enabled=True,
        request_timeout=SECONDS,
    ) as http:
        found = http.send_request(method="POST", url="/bc/v1/user/forget", data={"id": user, "keep_out": seconds})
    if found.get("errored"):
        raise failure(server, found)
    return found["sessions"], found["events"], found["contacts"]


def _delete(db: str, user: str, seconds: float, project_id: str | None) -> tuple[object, object, object]:
    from ..server.forgetting import check_keep_out, forget  # noqa: PLC0415
    from ..server.reader import app_of_project, reader  # noqa: PLC0415
    from ..server.schema import StoreError  # noqa: PLC0415
    from ..server.store import Store  # noqa: PLC0415

    with reader(db) as connection, connection.begin():  # it upgrades no file, which an earlier server may use
        app = app_of_project(connection, project_id)
    store = Store(db)
    try:
        deleted = asyncio.run(forget(store, app.scope, user, check_keep_out(seconds)))
    finally:
        store.close()
    if deleted is None:
        raise StoreError("no user has this id")
    return deleted.sessions, deleted.events, len(deleted.contacts)
