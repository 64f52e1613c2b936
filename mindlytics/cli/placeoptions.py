"""Options of commands that read a server, or its database without a server."""

from __future__ import annotations

from collections.abc import Callable

import click

from .. import MindlyticsError
from ..recorded.source import Source, source_at
from .keyoptions import key_option
from .serveroptions import LOCAL
from .terminal import fail


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


def source_of(server: str | None, db: str | None, api_key: str | None, project_id: str | None) -> Source:
    """What these options name.

    :raises click.UsageError: both a server and a database are named.
    """
    if db is not None:
        source = click.get_current_context().get_parameter_source("server")
        if server is not None and source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("--server and --db cannot be used together")
        return source_at(db, None, project_id)
    place = server or LOCAL
    if "://" not in place:
        raise click.UsageError(f"--server has no scheme: write http://{place}")
    try:
        return source_at(place, api_key, project_id)
    except MindlyticsError as error:
        fail(error, 2)
