"""``mindlytics export``: writes what is recorded as JSON lines, CSV or Parquet, by ``recorded/files.py``."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click

from .. import MindlyticsError
from ..recorded.files import FORMATS, remove_unfinished, write, write_directory, write_file
from ..recorded.rows import TABLES
from ..recorded.source import Filters, Source
from .placeoptions import source_option, span_options
from .terminal import count, fail, leave_stdout, say

STDOUT = "-"


@click.command("export")
@click.option(
    "--format",
    "format",
    type=click.Choice(FORMATS),
    help="Default: that of the output's name, or jsonl, which `mindlytics import` reads.",
)
@click.option(
    "--output",
    default=STDOUT,
    metavar="PATH",
    help="A file, or a directory, which gets a file for each day. Default: stdout.",
)
@click.option(
    "--table",
    type=click.Choice([*TABLES]),
    help="The rows of a single CSV or Parquet file. Default: turns. A directory gets all tables.",
)
@span_options("sessions that started")
@click.option("--user", metavar="ID", help="Only sessions of this user, by any id.")
@source_option
def export(
    *,
    format: str | None,
    output: str,
    table: str | None,
    since: str | None,
    until: str | None,
    user: str | None,
    source: Source,
) -> None:
    """Write what is recorded to a file, a directory or stdout."""
    path = Path(output)
    suffix = path.suffix.removeprefix(".")
    format = format or (suffix if suffix in FORMATS else "jsonl")
    is_directory = output != STDOUT and (output.endswith("/") or path.is_dir())
    if table is not None and (format == "jsonl" or is_directory):
        raise click.UsageError("--table is for a single file of CSV or Parquet")
    if output == STDOUT and format == "parquet":
        raise click.UsageError("--output is missing: Parquet does not go to stdout")
    if format == "parquet" and find_spec("pyarrow") is None:
        raise click.UsageError("Parquet needs pyarrow: install 'mindlytics[import]'")
    _stop_at_signals(is_file=output != STDOUT)
    try:
        lines = source.lines(Filters().narrowed(since, until, user))
        if is_directory:
            sessions = write_directory(lines, format, path)
        elif output != STDOUT:
            sessions = write_file(lines, format, table or "turns", path)
        else:
            sessions = write(lines, format, table or "turns", sys.stdout.buffer)
    except BrokenPipeError:
        leave_stdout()
        return
    except MindlyticsError as error:
        fail(error, 1)
    except OSError as error:
        if output == STDOUT:
            leave_stdout()
        fail(f"cannot write {output}: {error.strerror or error}", 1)
    if output != STDOUT:
        say(f"{output}: {count(sessions, 'session')}")
    elif not sessions:
        say(f"mindlytics: nothing found at {source.name}, project {source.project}")


def _stop_at_signals(*, is_file: bool) -> None:
    """Let signals end the program, which leaves no part of a file behind.

    If it writes a file, it ends at once. An exception could get lost in a finalizer or an import that it meets.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):  # Windows has two of them
            signal.signal(number, _leave if is_file else signal.default_int_handler)


def _leave(*_: object) -> None:
    with suppress(OSError):  # stderr may be closed
        remove_unfinished()
        os.write(2, b"mindlytics: stopped\n")
    os._exit(130)
