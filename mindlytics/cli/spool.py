"""``mindlytics spool``: shows, sends and exports the events that a spool holds.

It runs in production, without the extra ``local``, so it works without click.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ..annotations import JsonObject
from ..errors import InvalidSetting
from ..pipeline.blocking import BlockingPipeline
from ..pipeline.own_run import origin_of
from ..settings import Settings, as_directory
from ..spool.directory import Directory, Unusable, folders, is_living, runs
from ..spool.porch import left_by
from ..spool.reading import UnknownVersion, size_of, survey, unsettled
from ..values import UTC
from .services import settings_type, wire_of
from .terminal import Parser, fail, leave_stdout, printable, say, show_warnings

COLUMNS = ("FOLDER", "ADDRESS", "PROJECT", "EVENTS", "RUNNING", "BYTES", "OLDEST")


def parser() -> Parser:
    """The commands and their options."""
    about = "Show, send or export the events that a spool holds."
    whole = Parser(prog="mindlytics spool", description=about)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    where = Parser(add_help=False)
    where.add_argument("--spool", metavar="DIRECTORY", help='The spool. Default: MLSDK_SPOOL, else "auto".')
    commands.add_parser("status", parents=[where], help="Show what the spool holds, and change nothing.")
    commands.add_parser("export", parents=[where], help="Write the events to stdout, one JSON object a line.")
    sending = commands.add_parser("send", parents=[where], help="Send what processes that ended have left.")
    sending.add_argument(
        "--any-key",
        action="store_true",
        help="Also send what was recorded for your project under another API key.",
    )
    sending.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="End once the service has taken nothing for so long. Default: 60.",
    )
    return whole


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    chosen = parser().parse_args(arguments)
    try:
        spool = Path(Settings.load({"enabled": False, "spool": chosen.spool}).spool or str(as_directory("auto")))
        if not spool.is_dir():
            fail(f"{spool} is not a directory", 2)
        if chosen.command == "send":
            return _send(spool, any_key=chosen.any_key, patience=chosen.patience)
        (_status if chosen.command == "status" else _export)(spool)
        sys.stdout.flush()  # else a reader that left is found out only when the interpreter ends
        return 0
    except KeyboardInterrupt:
        fail("stopped", 130)
    except BrokenPipeError:
        leave_stdout()
        return 1
    except (InvalidSetting, OSError) as error:
        fail(error, 2)


# -- to look at it


def _status(spool: Path) -> None:
    rows = [COLUMNS]
    for folder, about in folders(spool):
        events = running = 0
        oldest = float("inf")
        for path in runs(folder):
            walls = [wall for wall, _ in _events(path)]
            events += len(walls)
            running += len(walls) if is_living(path) else 0
            oldest = min([oldest, *walls])
        since = _in_utc(oldest) if events else "-"
        size = sum(map(size_of, runs(folder)))
        counts = str(events), str(running), str(size)
        rows.append((folder.name, about["endpoint"], about["project"], *counts, since))
    widths = [max(len(printable(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [printable(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _export(spool: Path) -> None:
    for folder, about in folders(spool):
        origin = {name: about[name] for name in ("service", "endpoint", "project")}
        for path in runs(folder):
            for wall, data in _events(path):
                for event in _decoded(about["service"], data):
                    line = {**origin, "spooled": _in_utc(wall), "event": event}
                    sys.stdout.write(json.dumps(line) + "\n")


def _events(path: Path) -> Iterator[tuple[float, bytes]]:
    """The unsettled events of a run: when they were written, and their bytes."""
    try:
        known = survey(path)
        yield from unsettled(path, known.settled)
        for wall, (_, _, data) in left_by(path.name, known.number):
            yield wall, data
    except UnknownVersion:
        say(f"mindlytics: {path} was written by a later version")
    except FileNotFoundError:  # its process delivered it just now
        pass


def _decoded(service: str, data: bytes) -> list[object]:
    if service != "align":
        return [json.loads(data)]
    from ..align.wire import as_json  # noqa: PLC0415  it needs protobuf

    return [*as_json(data)]


def _in_utc(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%dT%H:%M:%SZ}"


# -- to send it


def _send(spool: Path, *, any_key: bool, patience: float) -> int:
    show_warnings("mindlytics")
    is_all = True
    for folder, about in list(folders(spool)):
        if _has_left(folder):
            try:
                settings = _settings(spool, folder, about, any_key=any_key)
                is_all &= settings is not None and _deliver(settings, folder, patience)
            except (InvalidSetting, Unusable, ImportError) as error:
                say(f"{folder.name}: {error}")
                is_all = False
    return 0 if is_all else 1


def _has_left(folder: Path) -> bool:
    """Whether dead processes left events there."""
    return not all(map(is_living, runs(folder)))


def _settings(spool: Path, folder: Path, about: JsonObject, *, any_key: bool) -> Settings | None:
    """The settings for sending a folder, or None to skip it."""
    kind = settings_type(about["service"])
    place = {"project_id": about["project"], "server_endpoint": about["endpoint"]}
    settings = kind.load({**place, "spool": str(spool), "enabled": True})
    origin = origin_of(settings)
    if origin.folder == folder.name:
        return settings
    yours = kind.load({"enabled": False})
    if not any_key or {name: getattr(yours, name) for name in place} != place:
        say(f"{folder.name}: left, since it was recorded for another API key, address or project than yours")
        return None
    directory = Directory(spool, origin)
    directory.prepare()
    for path in runs(folder):
        directory.adopt(path)
    return settings


def _deliver(settings: Settings, folder: Path, patience: float) -> bool:
    """Send what is left for these settings. Returns whether all of it was sent."""
    pipeline = BlockingPipeline(settings, lambda: wire_of(settings))
    try:
        pipeline.deliver_leftovers(patience)
    finally:
        pipeline.close(0)
        stats = pipeline.ledger.stats()
        sys.stdout.write(
            f"{printable(folder.name)}: {stats.delivered} delivered, {stats.refused} refused, {stats.dropped} dropped\n"
        )
    is_all = not _has_left(Path(settings.spool or "") / origin_of(settings).folder)
    if not is_all:
        say(f"{folder.name}: some events are left")
    return is_all
