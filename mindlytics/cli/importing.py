"""``mindlytics import``: records transcripts from files. ``transcripts/`` reads and sends them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import tzinfo
from pathlib import Path
from types import FrameType
from typing import Any

import click
from attrs import define, field, frozen
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .. import HTTPClient, MindlyticsError, MLHTTPError
from ..settings import Options as ClientOptions
from ..settings import Settings
from ..transcripts import Problem, Summary, Transcript
from ..transcripts.context import Options
from ..transcripts.detecting import named
from ..transcripts.parts import Part, parts_of
from ..transcripts.recording import PATIENCE, Recording
from .importfiles import STDIN, OpenFile, Reading, files_of
from .serveroptions import credentials, server_options
from .terminal import count, fail, printable, show_warnings

ANSWER_SECONDS = 5.0
"""Seconds in which the server has to answer the request before an import."""

STOPPED = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""The exit status after each signal, as shells have it."""

Moved = Callable[[int, OpenFile], None]
"""Called with the index of the file that is read, and the file."""


@define
class Stopped:
    """The signal that an import was stopped by, if one came.

    :param is_reading: it may interrupt. What becomes of a conversation that is read is not interrupted.
    :param also: set by the signal.
    """

    number: int | None = None
    is_reading: bool = True
    also: threading.Event = field(factory=threading.Event)


class _Stop(BaseException):
    """A signal asks to stop."""


def _zone(context: click.Context, parameter: click.Parameter, value: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(f"there is no time zone {value!r}; use a name such as Europe/Vienna") from None


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in value.split(",") if value else []:
        ours, equals, theirs = pair.partition("=")
        if not equals or not ours.strip() or not theirs.strip():
            raise click.BadParameter(f"{pair!r} is no pair such as role=speaker")
        names[ours.strip()] = theirs.strip()
    return names


def _format(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        if ":" in value:
            sys.path.insert(0, os.getcwd())  # it is for the user's own code, and named on purpose
        try:
            named(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, allow_dash=True))
@server_options
@click.option("--dry-run", is_flag=True, help="Read and count, but send nothing.")
@click.option("--explain", is_flag=True, help="Show the first conversations and problems of each file. Send nothing.")
@click.option("--format", "format_", callback=_format, metavar="NAME", help="The format, or package.module:function.")
@click.option("--map", "names", callback=_names, metavar="PAIRS", help="Names of keys: role=speaker,content=utterance")
@click.option("--timezone", default="UTC", show_default=True, callback=_zone, help="Of times without an offset.")
@click.option("--assistant", metavar="NAME", help="Who of several people is the assistant.")
@click.option("--gap-hours", type=float, help="End a chat after so many hours of silence.")
@click.option(
    "--branches",
    type=click.Choice(["seen", "all"]),
    default="seen",
    show_default=True,
    help="Of a conversation that branches, the path seen last, or each path as a conversation of its own.",
)
@click.option("--strict", is_flag=True, help="Parts and keys that are not known are problems.")
@click.option("--resume", type=click.Path(dir_okay=False), help="Note in this file what is stored, and pass over it.")
@click.option("--batch", is_flag=True, help="Send many conversations per request. It is faster, and needs --resume.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the files, and large ones.",
)
def import_(  # noqa: PLR0917
    files: tuple[str, ...],
    server: str,
    api_key: str | None,
    project_id: str | None,
    dry_run: bool,
    explain: bool,
    format_: str | None,
    names: dict[str, str],
    timezone: tzinfo,
    assistant: str | None,
    gap_hours: float | None,
    branches: str,
    strict: bool,
    resume: str | None,
    batch: bool,
    jobs: int,
) -> None:
    """Record transcripts from files and folders.

    They may be in any of the formats that the documentation names, and packed. - is stdin.
    What was stored before is not stored again, so an import that broke off is simply run again.

    The options default to MLSDK_SERVER_BASE, MLSDK_API_KEY and MLSDK_PROJECT_ID.
    """
    if batch and resume is None:
        raise click.UsageError("--batch needs --resume FILE, which notes which request each conversation is in.")
    reading = Reading(format_, Options(timezone, assistant, gap_hours, names, branches == "all"), strict)
    if explain:
        from .explaining import explain as show  # noqa: PLC0415

        sys.exit(show(files, reading))
    began = time.monotonic()
    stopped = Stopped()
    if dry_run:
        summary = _run(files, reading, None, None, False, stopped)
        _summarize(summary, time.monotonic() - began, sent=False)
    else:
        try:
            settings = _settings(server, api_key, project_id)
            began = time.monotonic()
            if jobs > 1 and len(shares := _shared(files, jobs, reading)) > 1:
                from .jobs import run_in_processes  # noqa: PLC0415

                summary = run_in_processes(shares, jobs, _Job(reading, settings, resume, batch), stopped)
            else:
                summary = _run(files, reading, settings, resume, batch, stopped)
        except (MindlyticsError, OSError) as error:
            fail(error, 1)
        _summarize(summary, time.monotonic() - began, sent=True)
    if summary.stopped or stopped.number is not None:
        report("mindlytics", f"stopped{_at(summary)}. Run the same command again to go on.")
    else:
        for key in reading.absent_keys(summary):
            report("mindlytics", f"no record has the key {key!r} of --map")
        if not summary.conversations and not summary.problems:
            report("mindlytics", "no conversation found")
    if stopped.number is not None:
        sys.exit(STOPPED[signal.Signals(stopped.number)])
    sys.exit(1 if summary.problems or summary.refused or summary.dropped or summary.stopped else 0)


def _at(summary: Summary) -> str:
    return f" at {printable(summary.stopped)}" if summary.stopped else ""


def _shared(files: tuple[str, ...], jobs: int, reading: Reading) -> list[str | Part]:
    """The files, and the parts of large ones, that processes can share."""
    shares: list[str | Part] = []
    for file in files_of(files):
        shares += ([] if file == STDIN else parts_of(file, jobs, reading.shape_of)) or [file]
    return shares


def _settings(server: str, api_key: str | None, project_id: str | None) -> dict[str, Any]:
    """The settings of a client, made after the server has answered one request."""
    api_key, project_id, local = credentials(server, api_key, project_id)
    options: ClientOptions = PATIENCE.copy()
    if local:
        options["trust_env"] = False  # a proxy cannot reach this machine
    asking: ClientOptions = {**options, "request_timeout": ANSWER_SECONDS}
    with HTTPClient(api_key=api_key, project_id=project_id, server_endpoint=server, **asking) as http:
        query = {"filter": {"session_id": "-"}, "limit": 1}
        reply = http.send_request(method="GET", url="/bc/v1/db/sessions/find", data=query)
    if isinstance(reply, dict) and reply.get("errored") and reply["status"] in (0, 401, 403):
        raise MLHTTPError(reply["status"], f"{server} cannot be used: {reply['message']}")
    return {"api_key": api_key, "project_id": project_id, "server_endpoint": server, **options}


@frozen
class _Job:
    """What a process of ``--jobs`` does with each of its files."""

    reading: Reading
    settings: dict[str, Any]
    resume: str | None
    batch: bool

    def __call__(self, file: str | Part) -> Summary:
        return _run((file,), self.reading, self.settings, self.resume, self.batch, Stopped(), show=False)


def _run(  # noqa: PLR0917
    files: tuple[str | Part, ...],
    reading: Reading,
    settings: dict[str, Any] | None,
    resume: str | None,
    batch: bool,
    stopped: Stopped,
    show: bool = True,
) -> Summary:
    """Read all files, and send what they come to where there are settings; stop at a signal."""
    show_warnings("mindlytics")
    summary = Summary()
    with _signals(stopped), _progress(files, summary, show) as moved, suppress(_Stop):
        items = _items(files, reading, summary, moved, stopped)
        if settings is None:
            for where, item in items:
                if isinstance(item, Problem):
                    report(where, item.reason)
        else:
            with Recording(Settings.load(settings), summary, report, resume, batch=batch) as recording:
                stopped.also = recording.stop
                recording.take_all(items)
    return summary


@contextmanager
def _signals(stopped: Stopped) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the reading, once. What is under way is settled after that."""

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.number is None:
            stopped.number = number
            stopped.also.set()
            if stopped.is_reading:
                raise _Stop

    before = {number: signal.signal(number, stop) for number in STOPPED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if stopped.number is None else signal.SIG_IGN)


def _items(
    files: tuple[str | Part, ...],
    reading: Reading,
    summary: Summary,
    moved: Moved,
    stopped: Stopped,
) -> Iterator[tuple[str, Transcript | Problem]]:
    """What the files come to, each with its place, until a signal asks to stop."""
    where = ""
    try:
        for index, file in enumerate(files):
            for where, item, raw in reading.items(file, summary):
                moved(index, raw)
                stopped.is_reading = False
                yield where, item
                if stopped.number is not None:
                    raise _Stop
                stopped.is_reading = True
    except _Stop:
        summary.stopped = where
    finally:
        stopped.is_reading = False


@contextmanager
def _progress(files: tuple[str | Part, ...], summary: Summary, show: bool) -> Iterator[Moved]:
    """A bar on stderr, where that is a terminal, with the rate and the time that is left."""
    if not show or not sys.stderr.isatty():
        yield lambda index, raw: None
        return
    sizes = [0 if file == STDIN or Path(str(file)).is_dir() else Path(str(file)).stat().st_size for file in files]
    words = TextColumn("{task.fields[done]}, {task.fields[rate]}/s")
    began = time.monotonic()
    columns = (BarColumn(), words, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=sum(sizes) or None, done=count(0, "conversation"), rate=0)

        def moved(index: int, raw: OpenFile) -> None:
            position = sum(sizes[:index]) + (raw.tell() if raw is not None and raw.seekable() else 0)
            rate = round(summary.conversations / max(time.monotonic() - began, 0.001))
            progress.update(task, completed=position, done=count(summary.conversations, "conversation"), rate=rate)

        yield moved


def report(where: str, what: object) -> None:
    """One line on stderr."""
    click.echo(printable(f"{where}: {what}"), err=True)


def _summarize(summary: Summary, seconds: float, sent: bool) -> None:
    rows: dict[str, object] = {
        "lines": summary.records,
        "sessions": summary.conversations,
        "turns": summary.turns,
        "function calls": summary.calls,
    }
    if summary.feedback:
        rows["feedback"] = summary.feedback
    if summary.stored_before:
        rows["stored before"] = summary.stored_before
    if sent:
        rows |= {"delivered": summary.delivered, "refused": summary.refused, "dropped": summary.dropped}
    rows |= {"problems": summary.problems, "seconds": f"{seconds:.2f}"}
    if sent:
        rows["events/s"] = round(summary.delivered / max(seconds, 0.001))
    rows |= {f"format {name}": number for name, number in summary.shapes.most_common()}
    rows |= {f"left out: {kind}": number for kind, number in summary.left_out.most_common()}
    rows |= {f"not read: {kind}": number for kind, number in summary.unread.most_common()}
    for name, value in rows.items():
        click.echo(f"{printable(name):<16}{value:>12}" if len(name) < 16 else f"{printable(name)} {value}")
