"""``mindlytics import``: reads transcripts from files, records and counts them. ``transcripts/`` parses them."""

from __future__ import annotations

import logging
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from .. import Client, HTTPClient, MindlyticsError, MLHTTPError, Stats
from ..settings import Options as Settings
from ..transcripts import Problem, Summary, Transcript, play
from ..transcripts.context import Options
from ..transcripts.reader import one
from ..transcripts.sources import opened
from .serveroptions import credentials, server_options
from .terminal import fail, printable

ANSWER_SECONDS = 5.0
"""Seconds in which the server has to answer the request before an import."""

PATIENCE: Settings = {
    "on_full": "block",
    "max_batch_bytes": 1024 * 1024,
    "block_timeout": 7 * 24 * 3600.0,
    "retry_for": 300.0,
    "request_timeout": 30.0,
    "enabled": True,
    "sample_rate": 1.0,
    "flush_on_sigterm": True,
}
"""The client's settings for an import, which may wait but must lose nothing."""

READ_AHEAD = 256 * 1024
"""Bytes that are read from a file at a time."""

STDIN = "-"


@click.command("import")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@server_options
@click.option("--dry-run", is_flag=True, help="Read and count, but send nothing.")
def import_(files: tuple[str, ...], server: str, api_key: str | None, project_id: str | None, dry_run: bool) -> None:
    """Record transcripts from files.

    Files may be in any of the formats that the documentation names, and packed. - is stdin.

    The options default to MLSDK_SERVER_BASE, MLSDK_API_KEY and MLSDK_PROJECT_ID.
    """
    tally = Summary()
    began = time.monotonic()
    if dry_run:
        for _ in _transcripts(files, tally):
            pass
        _summarize(tally, None, time.monotonic() - began)
        sys.exit(1 if tally.problems else 0)
    try:
        client = _client(server, api_key, project_id)
    except MindlyticsError as error:
        fail(error, 1)
    began = time.monotonic()
    with client:
        _record(client, files, tally)
    stats = client.stats()
    _summarize(tally, stats, time.monotonic() - began)
    sys.exit(1 if tally.problems or stats.delivered != stats.accepted else 0)


def _client(server: str, api_key: str | None, project_id: str | None) -> Client:
    """A client, made after the server has answered one request."""
    api_key, project_id, local = credentials(server, api_key, project_id)
    options = PATIENCE.copy()
    if local:
        options["trust_env"] = False  # a proxy cannot reach this machine
    asking: Settings = {**options, "request_timeout": ANSWER_SECONDS}
    with HTTPClient(api_key=api_key, project_id=project_id, server_endpoint=server, **asking) as http:
        query = {"filter": {"session_id": "-"}, "limit": 1}
        reply = http.send_request(method="GET", url="/bc/v1/db/sessions/find", data=query)
    if isinstance(reply, dict) and reply.get("errored") and reply["status"] in (0, 401, 403):
        raise MLHTTPError(reply["status"], f"{server} cannot be used: {reply['message']}")
    return Client(api_key=api_key, project_id=project_id, server_endpoint=server, **options)


def _record(client: Client, files: tuple[str, ...], tally: Summary) -> None:
    """Send all transcripts and wait until every event is settled. Stop early if the server is gone for good."""
    logger = logging.getLogger("mindlytics")
    warnings = _Warnings(logging.WARNING)
    logger.addHandler(warnings)
    try:
        for where, transcript in _transcripts(files, tally):
            session = client.create_session(**transcript.session, on_error=partial(_report, where))
            play(session, transcript)
            if client.stats().reasons.get("gave_up"):
                _report("mindlytics", f"{client.settings.server_endpoint} no longer answers: stopped")
                return
        client.flush()
    finally:
        logger.removeHandler(warnings)


def _transcripts(files: tuple[str, ...], tally: Summary) -> Iterator[tuple[str, Transcript]]:
    """The transcripts of all files, each with its place. Invalid lines are reported. All lines are counted."""
    sizes = [0 if file == STDIN else Path(file).stat().st_size for file in files]
    with _progress(sum(sizes)) as show:
        for index, file in enumerate(files):
            name = "<stdin>" if file == STDIN else file
            try:
                for item, raw in _read(file, name, tally):
                    show(sum(sizes[:index]), raw, tally)
                    where = place(name, item)
                    if isinstance(item, Problem):
                        _report(where, item.reason)
                    else:
                        yield where, item
            except (OSError, EOFError, zlib.error) as error:
                tally.problems += 1
                _report(name, f"reading failed: {error}")


def place(name: str, item: Transcript | Problem) -> str:
    """The place of an item: the file, and the line or position in it."""
    record = item.record or item.where if isinstance(item, Problem) else item.where
    if record == f"line {item.line}":
        return f"{name}:{item.line}"
    return f"{name}: {record}" if record and record not in ("file", "end of file") else name


def _read(file: str, name: str, tally: Summary) -> Iterator[tuple[Transcript | Problem, BinaryIO]]:
    """The items of a file, each with the open file."""
    is_stdin = file == STDIN
    with open(0 if is_stdin else file, "rb", buffering=READ_AHEAD, closefd=not is_stdin) as opened_file:
        for source in opened(opened_file, name):
            for item in one(source, Options(), None, False, tally):
                yield item, opened_file


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int, BinaryIO, Summary], None]]:
    """A progress bar, if stderr is a terminal. Yields a function that moves it: by bytes of earlier files and the
    place in this one.
    """
    if not sys.stderr.isatty():
        yield lambda before, file, tally: None
        return
    columns = (BarColumn(), TextColumn("{task.fields[sessions]} sessions"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=size or None, sessions=0)

        def show(before: int, file: BinaryIO, tally: Summary) -> None:
            position = before + file.tell() if file.seekable() else None
            progress.update(task, completed=position, sessions=tally.conversations)

        yield show


class _Warnings(logging.Handler):
    """Shows the client's warnings on stderr, for example of an outage or a changed attribute."""

    def emit(self, record: logging.LogRecord) -> None:
        _report("mindlytics", record.getMessage())


def _report(where: str, what: object) -> None:
    click.echo(printable(f"{where}: {what}"), err=True)


def _summarize(tally: Summary, stats: Stats | None, seconds: float) -> None:
    rows = {
        "lines": tally.records,
        "sessions": tally.conversations,
        "turns": tally.turns,
        "function calls": tally.calls,
    }
    if stats is not None:
        rows |= {"delivered": stats.delivered, "refused": stats.refused, "dropped": stats.dropped + stats.pending}
    shown = {**rows, "problems": tally.problems, "seconds": f"{seconds:.2f}"}
    if stats is not None:
        shown["events/s"] = round(stats.delivered / max(seconds, 0.001))
    for name, value in shown.items():
        click.echo(f"{name:<16}{value:>12}")
