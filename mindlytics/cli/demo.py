"""``mindlytics demo``: its options and its exit status. ``demonstration.py`` plays and shows the conversations."""

from __future__ import annotations

import sys

import click

from .. import MindlyticsError
from .terminal import console, fail


@click.command()
@click.option("--keep", is_flag=True, help="Keep the server running for your own program, until Ctrl-C.")
def demo(keep: bool) -> None:
    """Record conversations and show what arrived.

    The demo records six sample conversations into its own temporary server. The status is 1 if the account does not
    balance.
    """
    from .demonstration import run  # noqa: PLC0415  aiohttp takes a while to import

    try:
        balances = run(console(), keep=keep)
    except MindlyticsError as error:
        fail(error, 1)
    if not balances:
        sys.exit(1)
