"""Options of commands that connect to a server: its address, the key and the project."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import click

from .keyoptions import key_option

LOCAL = "http://127.0.0.1:3000"
ANY = "local"
"""The default key and project, since a local server accepts any."""


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--server``, ``--api-key`` and ``--project-id`` to a command."""
    for option in (
        click.option(
            "--project-id", envvar="MLSDK_PROJECT_ID", help="The project. Optional for a server on this machine."
        ),
        key_option("--api-key", "MLSDK_API_KEY", "The API key. Optional for a server on this machine."),
        click.option(
            "--server", envvar="MLSDK_SERVER_BASE", default=LOCAL, show_default=True, help="The server's base address."
        ),
    ):
        command = option(command)
    return command


def check_scheme(server: str) -> None:
    """Check how an address begins.

    :raises click.UsageError: otherwise than that of a server.
    """
    if "://" not in server:
        raise click.UsageError(f"--server has no scheme: write http://{server}")
    if not server.lower().startswith(("http://", "https://")):
        raise click.UsageError("--server must begin with http:// or https://")


def check_one_place(server: str | None, db: str | None) -> None:
    """Check that options name one place. ``MLSDK_SERVER_BASE`` may be set beside ``--db``.

    :raises click.UsageError: they name two.
    """
    source = click.get_current_context().get_parameter_source("server")
    if db is not None and server is not None and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--server and --db cannot be used together")


def credentials(server: str, api_key: str | None, project_id: str | None) -> tuple[str, str, bool]:
    """The key and project for a server, and whether it is on this machine. Such a server needs neither."""
    from ..server.guard import is_loopback  # noqa: PLC0415  aiohttp takes a while to import

    check_scheme(server)
    local = False
    with suppress(ValueError):  # the address is invalid; the client raises
        local = is_loopback(urlsplit(server).hostname or "")
    for option, value in (("--api-key", api_key), ("--project-id", project_id)):
        if not value and not local:
            raise click.UsageError(f"{option} is missing, and {server} is not on this machine")
    return api_key or ANY, project_id or ANY, local
