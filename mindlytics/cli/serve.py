"""``mindlytics serve``: its options, and what it prints when the local server starts and ends."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import webbrowser
from typing import IO

import click

from .. import MindlyticsError
from .keyoptions import key_file_option, key_of, key_option
from .serveroptions import ANY
from .terminal import fail, printable, show_warnings
from .times import span


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=3000, show_default=True, type=click.IntRange(0, 65535), help="The port. 0: any free one."
)
@click.option(
    "--db",
    default="mindlytics.db",
    show_default=True,
    help="The database file, made if it is missing; or postgresql://…",
)
@key_option("--api-key", "MINDLYTICS_API_KEY", "Require this API key (default: accept any).")
@key_file_option("--api-key")
@key_option("--super-key", "SUPER_API_KEY", "The key that manages API keys. Requires keys, too.")
@key_file_option("--super-key")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="Answer to this name too, besides those of this machine. Repeatable.",
)
@click.option("--webhook", metavar="URL", help="Post sessions and messages of the Conversations API to this address.")
@click.option("--alert-webhook", metavar="URL", help="Post alerts to this address when too much goes wrong in an hour.")
@click.option(
    "--alerts",
    metavar="TEXT",
    help="The rules of alerts (default: negative:50%,unfulfilled:50%,errors:10%). cost:20 is in dollars an hour.",
)
@click.option(
    "--reply", metavar="TEXT", help="What agents of the Conversations API answer. {text} is the contact's last message."
)
@click.option(
    "--analysis",
    default="local",
    show_default=True,
    metavar="NAME",
    help="How to analyse conversations: local, none, or your own function, package.module:name.",
)
@click.option(
    "--idle",
    type=span,
    default="30m",
    show_default=True,
    metavar="TIME",
    help="End a session after this time without an event: 90s, 30m, 2h, 1d, or none.",
)
@click.option(
    "--keep",
    type=span,
    default="none",
    show_default=True,
    metavar="TIME",
    help="Delete a session this time after its end: 90d, 24h, or none.",
)
@click.option(
    "--read-timeout",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Cancel reads after this many seconds. 0: no limit.",
)
@click.option(
    "--chaos",
    default="",
    metavar="TEXT",
    help="Misbehave, to test your program: 429:20%,503:5%,latency:2s,reset:1%,lose-ack:5%,truncate:1%,seed:7",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in your browser.")
def serve(  # noqa: PLR0917  click passes them by name
    host: str,
    port: int,
    db: str,
    api_key: str | None,
    api_key_file: IO[str] | None,
    super_key: str | None,
    super_key_file: IO[str] | None,
    allowed_hosts: tuple[str, ...],
    webhook: str | None,
    alert_webhook: str | None,
    alerts: str | None,
    reply: str | None,
    analysis: str,
    idle: float | None,
    keep: float | None,
    read_timeout: float,
    chaos: str,
    opens: bool,
) -> None:
    """Run a local server over one SQLite file, or a PostgreSQL database.

    The server's address shows a page in a browser.

    You need a key to listen on an address that other machines can reach.
    """
    from ..server import run  # noqa: PLC0415  aiohttp takes a while to import
    from ..server.alerts import ALERTS  # noqa: PLC0415
    from ..server.analysis import load  # noqa: PLC0415
    from ..server.database import database_at  # noqa: PLC0415
    from ..server.live import LIVE_PATH  # noqa: PLC0415

    if alerts is not None and alert_webhook is None:
        raise click.UsageError("--alerts needs --alert-webhook")
    show_warnings("mindlytics.server")
    api_key = key_of("--api-key", api_key, api_key_file)
    super_key = key_of("--super-key", super_key, super_key_file)
    known = "<its API key>" if api_key else "<a key made with the super key>" if super_key else ANY

    def ready(url: str) -> None:
        click.echo(f"Mindlytics local server on {url}")
        click.echo(f"Live events: {url.replace('http', 'ws', 1)}{LIVE_PATH}")
        click.echo(f"Database: {printable(database_at(db).name)}")
        if chaos:
            click.echo(f"Chaos: {printable(chaos)}")
        click.echo("\nSet these variables in the environment of your program:\n")
        click.echo(f"  export MLSDK_SERVER_BASE={_reachable(url)}")
        click.echo(f"  export MLSDK_API_KEY={known}")
        click.echo(f"  export MLSDK_PROJECT_ID={ANY}")

    def show(page: str) -> None:
        address = _reachable(page)
        once = ", once" if api_key else ""
        click.echo(f"\nOpen this address in a browser{once}: {address}")
        click.echo("\nPress Ctrl-C to stop.")
        if opens:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # it may take a while

    if ":" in analysis:
        sys.path.append("")  # finds modules in the current directory; last, so that installed ones win

    async def until_stopped() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.is_closed() or loop.call_soon_threadsafe(task.cancel))
        try:
            await run.serve(
                host,
                port,
                db,
                api_key,
                super_key=super_key,
                reply=reply,
                webhook=webhook,
                alert_webhook=alert_webhook,
                alerts=ALERTS if alerts is None else alerts,
                analysis=load(analysis),
                chaos=chaos,
                idle=idle,
                keep=keep,
                read_timeout=read_timeout,
                allowed_hosts=allowed_hosts,
                on_ready=ready,
                on_page=show,
            )
        except asyncio.CancelledError:
            click.echo("Stopped.")

    try:
        asyncio.run(until_stopped())
    except MindlyticsError as error:
        fail(error, 2)


def _reachable(url: str) -> str:
    """A URL that programs on this machine can use, also if the server listens on every address."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
