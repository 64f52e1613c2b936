"""``mindlytics spool`` as a command of the group. ``spool.py`` reads its arguments, since it runs without click too."""

from __future__ import annotations

import sys

import click

from .spool import run


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def spool(arguments: tuple[str, ...]) -> None:
    """Show, send or export the events that a spool holds."""
    sys.exit(run(arguments))
