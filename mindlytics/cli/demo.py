"""``mindlytics demo``: its options and its exit status. ``demonstration.py`` plays and shows the conversations."""

from __future__ import annotations

import sys

import click

from .. import MindlyticsError
from .terminal import console, fail


@click.command()
@click.option("--keep", is_flag=True, help="Keep the server running for your own program, until Ctrl-C.")
@click.option("--large", is_flag=True, help="Also record a month of generated conversations.")
def demo(keep: bool, large: bool) -> None:
    """Record conversations and show what arrived.

    The demo records six sample conversations into its own temporary server. The status is 1 if the account does not
    balance. With --keep you can look at all of it in a browser.
    """
    from .demonstration import run  # noqa: PLC0415  aiohttp takes a while to import

    try:
        balances = run(console(), keep=keep, large=large)
    except MindlyticsError as error:
        fail(error, 1)
    if not balances:
        sys.exit(1)
