"""Options of commands that read a server, or its database without a server: where, from when until when, and how."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import click

from .. import MindlyticsError
from ..recorded.source import Source, source_at
from .keyoptions import key_option
from .serveroptions import LOCAL, check_one_place, check_scheme
from .terminal import fail
from .times import TIME

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")


def span_options(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add ``--since`` and ``--until`` to a command. Their help says of what, such as ``sessions that started``."""
    since = click.option("--since", type=TIME, metavar="TIME", help=f"Only {what} then or later: 2026-11-26, 2h, 7d.")
    until = click.option("--until", type=TIME, metavar="TIME", help=f"Only {what} before.")
    return lambda command: since(until(command))


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--server``, ``--db``, ``--api-key`` and ``--project-id`` to a command."""
    for option in (
        click.option(
            "--project-id",
            envvar="MLSDK_PROJECT_ID",
            help="The project. Optional for a server on this machine, and for a database with one project.",
        ),
        key_option("--api-key", "MLSDK_API_KEY", "The API key. Optional for a server on this machine."),
        click.option("--db", metavar="PLACE", help="Read this file or postgresql://… instead of asking a server."),
        click.option("--server", envvar="MLSDK_SERVER_BASE", help=f"The server's base address. [default: {LOCAL}]"),
    ):
        command = option(command)
    return command


def source_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the same options to a command that takes the ``source`` they name."""

    @wraps(command)
    def with_source(
        *, server: str | None, db: str | None, api_key: str | None, project_id: str | None, **options: object
    ) -> None:
        command(**options, source=_source_of(server, db, api_key, project_id))

    return place_options(with_source)


def _source_of(server: str | None, db: str | None, api_key: str | None, project_id: str | None) -> Source:
    """What these options name.

    :raises click.UsageError: both a server and a database are named, or the server's address has no scheme of one.
    """
    check_one_place(server, db)
    if db is not None:
        return source_at(db, None, project_id)
    place = server or LOCAL
    check_scheme(place)
    try:
        return source_at(place, api_key, project_id)
    except MindlyticsError as error:
        fail(error, 2)
