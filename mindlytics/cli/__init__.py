"""The command line: ``mindlytics serve``, ``demo``, ``import`` and ``tail``. Options in, words and an exit status out.

The work is elsewhere: the local server in ``server/``, the demonstration in ``demo.py``, the transcript format in
``transcripts.py``, the look of live events in ``tail.py``. Here is only what joins files, a client and a terminal.
Needs the extra ``local`` (click, rich).
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn, cast
from urllib.parse import urlsplit

from attrs import define

from .. import Client, HTTPClient, MindlyticsError, MLHTTPError, Stats, __version__
from ..settings import Options
from ..transcripts import MAX_LINE, Problem, Transcript, play, read
from .terminal import PrintableFormatter, printable

try:
    import click
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from .keyoptions import key_file_option, key_of, key_option
except ModuleNotFoundError as missing:
    raise SystemExit(f"mindlytics: the command line needs {missing.name}: install 'mindlytics[local]'") from None

LOCAL = "http://127.0.0.1:3000"
ANY = "local"
"""The key and the project where none are given: a local server takes any."""

ANSWER_SECONDS = 5.0
"""Seconds in which a server has to answer the one request that is made before an import."""

PATIENCE: Options = {
    "on_full": "block",
    "max_batch_bytes": 1024 * 1024,
    "block_timeout": 7 * 24 * 3600.0,
    "retry_for": 300.0,
    "request_timeout": 30.0,
    "enabled": True,
    "sample_rate": 1.0,
    "flush_on_sigterm": True,
}
"""An import may wait and must not lose: the settings of its client."""

READ_AHEAD = 256 * 1024
"""Bytes that are read from a file at a time."""

GZIP = b"\x1f\x8b"
STDIN = "-"


class _Group(click.Group):
    """What click itself says of a bad name is fit for a terminal too."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _printable_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, context: click.Context) -> Any:
        with _printable_errors():
            return super().invoke(context)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        words = printable(error.format_message())
        vars(error)["format_message"] = lambda: words
        raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mindlytics")
def main() -> None:
    """Telemetry for conversations between people and AI assistants, on your own machine."""


def fail(error: object, status: int) -> NoReturn:
    """End with one line on stderr."""
    click.echo(f"mindlytics: {printable(error)}", err=True)
    sys.exit(status)


def _reaching_a_server(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that is a server's client."""
    for option in (
        click.option("--project-id", envvar="MLSDK_PROJECT_ID", help="Not needed for a server on this machine."),
        key_option("--api-key", "MLSDK_API_KEY", "Not needed for a server on this machine."),
        click.option(
            "--server", envvar="MLSDK_SERVER_BASE", default=LOCAL, show_default=True, help="Its base address."
        ),
    ):
        command = option(command)
    return command


# -- serve


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--db", default="mindlytics.db", show_default=True, help="The database file; made where there is none.")
@key_option("--api-key", "MINDLYTICS_API_KEY", "A key that is taken. Without this and a super key: any.")
@key_file_option("--api-key")
@key_option("--super-key", "SUPER_API_KEY", "The key that makes and removes keys.")
@key_file_option("--super-key")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A name that the server is reached by, besides those of this machine; may be given again.",
)
@click.option("--webhook", metavar="URL", help="Told of sessions and messages of the Conversations API.")
@click.option("--reply", metavar="TEXT", help="What its agents say; {text} in it is what they were told last.")
@click.option(
    "--analysis",
    default="local",
    show_default=True,
    metavar="NAME",
    help="What analyses conversations: local, none, or a function of yours, package.module:name.",
)
@click.option(
    "--idle",
    default="30m",
    show_default=True,
    metavar="TIME",
    help="A session ends after so long without an event: 90s, 30m, 2h, 1d, or none.",
)
@click.option(
    "--read-timeout",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds in which a read has to end; 0: no limit.",
)
@click.option(
    "--chaos",
    default="",
    metavar="TEXT",
    help="What goes wrong, for programs to survive: 429:20%,503:5%,latency:2s,reset:1%,lose-ack:5%,truncate:1%,seed:7",
)
def serve(  # noqa: PLR0917  click gives them by name
    host: str,
    port: int,
    db: str,
    api_key: str | None,
    api_key_file: IO[str] | None,
    super_key: str | None,
    super_key_file: IO[str] | None,
    allowed_hosts: tuple[str, ...],
    webhook: str | None,
    reply: str | None,
    analysis: str,
    idle: str,
    read_timeout: float,
    chaos: str,
) -> None:
    """Run a local server over one SQLite file.

    An address that is open to other machines needs a key.
    """
    from ..server import run  # noqa: PLC0415  aiohttp takes a while to import
    from ..server.analysis import load  # noqa: PLC0415
    from ..server.idle import parse  # noqa: PLC0415
    from ..server.live import LIVE_PATH  # noqa: PLC0415

    try:
        seconds = parse(idle)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--idle") from None
    _show_warnings("mindlytics.server")
    api_key = key_of("--api-key", api_key, api_key_file)
    super_key = key_of("--super-key", super_key, super_key_file)
    known = "<its API key>" if api_key else "<a key made with the super key>" if super_key else ANY

    def ready(url: str) -> None:
        click.echo(f"Mindlytics local server on {url}")
        click.echo(f"Live events: {url.replace('http', 'ws', 1)}{LIVE_PATH}")
        click.echo(f"Database: {printable(Path(db).resolve())}")
        if chaos:
            click.echo(f"Chaos: {printable(chaos)}")
        click.echo("\nYour own program reaches it with these variables in its environment:\n")
        click.echo(f"  export MLSDK_SERVER_BASE={_reachable(url)}")
        click.echo(f"  export MLSDK_API_KEY={known}")
        click.echo(f"  export MLSDK_PROJECT_ID={ANY}")
        click.echo("\nCtrl-C ends it.")

    if ":" in analysis:
        sys.path.append("")  # where a module of yours is; last, so that it hides none that is installed

    async def until_told() -> None:
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
                analysis=load(analysis),
                chaos=chaos,
                idle=seconds,
                read_timeout=read_timeout,
                allowed_hosts=allowed_hosts,
                on_ready=ready,
            )
        except asyncio.CancelledError:
            click.echo("Stopped.")

    try:
        asyncio.run(until_told())
    except MindlyticsError as error:
        fail(error, 2)


def _console() -> Console:
    """Stdout; for letters that it lacks it gets others."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def _show_warnings(logger: str, level: int = logging.WARNING) -> None:
    """Put on stderr what a program of its own would have to set up logging for."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(PrintableFormatter("mindlytics: %(message)s"))
    logging.getLogger(logger).addHandler(handler)
    logging.getLogger(logger).setLevel(level)


def _reachable(url: str) -> str:
    """The URL for a program on this machine, where the server listens on every address."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


# -- demo


@main.command()
@click.option("--keep", is_flag=True, help="Leave the server up, for a program of your own, until Ctrl-C.")
def demo(keep: bool) -> None:
    """Record conversations and show what arrived.

    They are written for it, and recorded into a server of its own. The status is 1 where the account does not balance.
    """
    from .demo import run  # noqa: PLC0415  for the same reason

    try:
        balances = run(_console(), keep=keep)
    except MindlyticsError as error:
        fail(error, 1)
    if not balances:
        sys.exit(1)


# -- import


@define
class Tally:
    """What an import has come to so far; empty lines do not count."""

    lines: int = 0
    sessions: int = 0
    turns: int = 0
    calls: int = 0
    problems: int = 0

    def add(self, item: Transcript | Problem) -> None:
        """Count what a line came to."""
        self.lines += 1
        if isinstance(item, Problem):
            self.problems += 1
        else:
            self.sessions += 1
            self.turns += item.turns
            self.calls += item.calls


@main.command("import")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@_reaching_a_server
@click.option("--dry-run", is_flag=True, help="Read and count, send nothing.")
def import_(files: tuple[str, ...], server: str, api_key: str | None, project_id: str | None, dry_run: bool) -> None:
    """Record transcripts from files.

    They are JSON lines in the chat format of language-model APIs, plain or gzipped; - is stdin.

    What the options leave open is taken from MLSDK_SERVER_BASE, MLSDK_API_KEY and MLSDK_PROJECT_ID.
    """
    tally = Tally()
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


def _credentials(server: str, api_key: str | None, project_id: str | None) -> tuple[str, str, bool]:
    """The key and the project for a server, and whether it is on this machine: such a one takes any."""
    from ..server.guard import is_loopback  # noqa: PLC0415  for the same reason

    local = False
    with suppress(ValueError):  # the address is no URL; the client says so
        local = is_loopback(urlsplit(server).hostname or "")
    for option, given in (("--api-key", api_key), ("--project-id", project_id)):
        if not given and not local:
            raise click.UsageError(f"{option} is missing, and {server} is not on this machine")
    return api_key or ANY, project_id or ANY, local


def _client(server: str, api_key: str | None, project_id: str | None) -> Client:
    """A client for a server that has answered one request."""
    api_key, project_id, local = _credentials(server, api_key, project_id)
    options = PATIENCE.copy()
    if local:
        options["trust_env"] = False  # no proxy leads to this machine
    asking: Options = {**options, "request_timeout": ANSWER_SECONDS}
    with HTTPClient(api_key=api_key, project_id=project_id, server_endpoint=server, **asking) as http:
        query = {"filter": {"session_id": "-"}, "limit": 1}
        reply = http.send_request(method="GET", url="/bc/v1/db/sessions/find", data=query)
    if isinstance(reply, dict) and reply.get("errored") and reply["status"] in (0, 401, 403):
        raise MLHTTPError(reply["status"], f"{server} cannot be used: {reply['message']}")
    return Client(api_key=api_key, project_id=project_id, server_endpoint=server, **options)


def _record(client: Client, files: tuple[str, ...], tally: Tally) -> None:
    """Send all transcripts and wait until each event is settled; stop early where the server is gone for good."""
    logger = logging.getLogger("mindlytics")
    warnings = _Warnings(logging.WARNING)
    logger.addHandler(warnings)
    try:
        for where, transcript in _transcripts(files, tally):
            session = client.create_session(**transcript.session, on_error=partial(_tell, where))
            play(session, transcript)
            if client.stats().reasons.get("gave_up"):
                _tell("mindlytics", f"{client.settings.server_endpoint} does not answer any more; stopped")
                return
        client.flush()
    finally:
        logger.removeHandler(warnings)


def _transcripts(files: tuple[str, ...], tally: Tally) -> Iterator[tuple[str, Transcript]]:
    """The transcripts of all files, each with its place; what is none is told. All are counted."""
    sizes = [0 if file == STDIN else Path(file).stat().st_size for file in files]
    with _progress(sum(sizes)) as show:
        for index, file in enumerate(files):
            name = "<stdin>" if file == STDIN else file
            try:
                for item, raw in _read(file):
                    tally.add(item)
                    show(sum(sizes[:index]), raw, tally)
                    where = f"{name}:{item.line}"
                    if isinstance(item, Problem):
                        _tell(where, item.reason)
                    else:
                        yield where, item
            except (OSError, EOFError, zlib.error) as error:
                tally.problems += 1
                _tell(name, f"cannot be read on: {error}")


def _read(file: str) -> Iterator[tuple[Transcript | Problem, BinaryIO]]:
    """What the lines of a file come to, each with the open file."""
    is_stdin = file == STDIN
    with open(0 if is_stdin else file, "rb", buffering=READ_AHEAD, closefd=not is_stdin) as opened:
        raw = cast(BufferedReader, opened)
        packed = raw.peek(len(GZIP)).startswith(GZIP)
        for item in read(_lines(cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw)):
            yield item, raw


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, enough to tell."""
    while line := file.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int, BinaryIO, Tally], None]]:
    """A bar on stderr, where that is a terminal; yields what moves it: to so many bytes and the place in a file."""
    if not sys.stderr.isatty():
        yield lambda before, file, tally: None
        return
    columns = (BarColumn(), TextColumn("{task.fields[sessions]} sessions"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=size or None, sessions=0)

        def show(before: int, file: BinaryIO, tally: Tally) -> None:
            position = before + file.tell() if file.seekable() else None
            progress.update(task, completed=position, sessions=tally.sessions)

        yield show


class _Warnings(logging.Handler):
    """What the client warns of, on stderr: an outage, an attribute that does not go as it is."""

    def emit(self, record: logging.LogRecord) -> None:
        _tell("mindlytics", record.getMessage())


def _tell(where: str, what: object) -> None:
    click.echo(printable(f"{where}: {what}"), err=True)


def _summarize(tally: Tally, stats: Stats | None, seconds: float) -> None:
    rows = {"lines": tally.lines, "sessions": tally.sessions, "turns": tally.turns, "function calls": tally.calls}
    if stats is not None:
        rows |= {"delivered": stats.delivered, "refused": stats.refused, "dropped": stats.dropped + stats.pending}
    shown = {**rows, "problems": tally.problems, "seconds": f"{seconds:.2f}"}
    if stats is not None:
        shown["events/s"] = round(stats.delivered / max(seconds, 0.001))
    for name, value in shown.items():
        click.echo(f"{name:<16}{value:>12}")


# -- tail


@main.command()
@click.option("--session", metavar="ID", help="Of this session only.")
@click.option("--user", "users", metavar="ID", multiple=True, help="Of this user only; may be given again.")
@click.option("--event", "names", metavar="NAME", multiple=True, help="Of this name only; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
@_reaching_a_server
def tail(
    *,
    session: str | None,
    users: tuple[str, ...],
    names: tuple[str, ...],
    as_json: bool,
    server: str,
    api_key: str | None,
    project_id: str | None,
) -> None:
    """Show events as they happen, until Ctrl-C.

    What the options leave open is taken from MLSDK_SERVER_BASE, MLSDK_API_KEY and MLSDK_PROJECT_ID.
    """
    from .tail import leave_stdout, matching, user_ids, write_json, write_lines  # noqa: PLC0415  for the same reason

    if sys.stdout is None:
        fail("stdout is closed", 1)
    key, project, local = _credentials(server, api_key, project_id)
    _show_warnings("mindlytics", logging.INFO)
    try:
        client = Client(
            api_key=key,
            project_id=project,
            server_endpoint=server,
            trust_env=not local,
            enabled=True,
            max_retry_wait=5.0,
        )
        with client, HTTPClient.of(client.settings) as http:
            events = matching(client.events(session), users, names, lambda: user_ids(http, users))
            click.echo(
                f"mindlytics: listening to {printable(server)}, project {printable(project)}; Ctrl-C ends it", err=True
            )
            if as_json:
                write_json(events, sys.stdout.buffer)
            else:
                write_lines(events, _console())
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        leave_stdout()
    except OSError as error:
        leave_stdout()
        fail(f"cannot write: {error.strerror}", 1)
    except MindlyticsError as error:
        fail(error, 1)
