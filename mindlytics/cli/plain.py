"""The commands that run without click too, as commands of the group. They read their arguments themselves."""

from __future__ import annotations

import sys
from importlib import import_module

import click


def _command(name: str, help: str) -> click.Command:
    def run(arguments: tuple[str, ...]) -> None:
        sys.exit(import_module(f"{__package__}.{name}").run(arguments))

    return click.Command(
        name,
        callback=run,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        help=help,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )


doctor = _command("doctor", "Check settings, the connection, the key and the clock.")
spool = _command("spool", "Show, send or export the events that a spool holds.")
