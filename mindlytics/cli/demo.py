"""``mindlytics demo``: its options and its exit status. What it plays and shows is in ``demonstration.py``."""

from __future__ import annotations

import sys

import click

from .. import MindlyticsError
from .terminal import console, fail


@click.command()
@click.option("--keep", is_flag=True, help="Leave the server up, for a program of your own, until Ctrl-C.")
def demo(keep: bool) -> None:
    """Record conversations and show what arrived.

    They are written for it, and recorded into a server of its own. The status is 1 where the account does not balance.
    """
    from .demonstration import run  # noqa: PLC0415  aiohttp takes a while to import

    try:
        balances = run(console(), keep=keep)
    except MindlyticsError as error:
        fail(error, 1)
    if not balances:
        sys.exit(1)
