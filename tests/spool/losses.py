"""What programs lose that are killed, end at once, or meet a service that is down: with a spool, nothing.

Each is a process of its own. PID 1 of a container, which ignores SIGTERM without a handler, needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from .. import sink as faults
from ..programs import environment
from ..sink import Sink
from .found import Found, scratch
from .kills import drain, judge

PROGRAM = Path(__file__).parent / "programs" / "stream.py"
FACES = ("Client", "AsyncClient")
AS_FIRST = ("unshare", "--pid", "--fork", "--kill-child")
FOREVER = 10**6


@frozen
class Row:
    """A way to lose events.

    :param count: how many events the program records.
    :param pause: seconds between two of them.
    :param ending: how it ends, see the program.
    :param after: seconds after the first event at which it is killed, or None for after the last one.
    :param by: the signals that kill it.
    :param outage: seconds for which the service answers 503. None: until the program has ended.
    :param is_first: whether it is the first process of its container.
    """

    about: str
    count: int
    pause: float = 0.0
    ending: str = "wait"
    after: float | None = None
    by: tuple[int, ...] = ()
    outage: float | None = 0.0
    is_first: bool = False


KILL, TERM = signal.SIGKILL, signal.SIGTERM
QUICK = (
    Row("SIGKILL after 1 call", 1, by=(KILL,)),
    Row("SIGKILL after 50 calls", 50, by=(KILL,)),
    Row("SIGKILL after 400 calls", 400, by=(KILL,)),
    Row("os._exit after 50 calls", 50, ending="_exit"),
    Row("SIGTERM without a handler", 50, by=(TERM,)),
    Row("a script of 50 events, the service being down", 50, ending="exit", outage=None),
)
SLOW = (
    Row("SIGKILL in mid-stream, 100 events/s", FOREVER, 0.01, after=3, by=(KILL,)),
    Row("docker stop of PID 1, 20 events/s", FOREVER, 0.05, after=11, by=(TERM, KILL), is_first=True),
    Row("the same, the service being down", FOREVER, 0.05, after=11, by=(TERM, KILL), outage=None, is_first=True),
    Row("50,000 events in an outage of 20 s", 50_000, ending="exit", outage=20),
    Row("503 for three minutes, 20 events/s", 4200, 0.05, ending="exit", outage=180),
)


def long(seed: int) -> Iterator[Found]:
    for row in (*QUICK, *SLOW):
        if not row.is_first or is_root():
            yield from (of_row(row, face) for face in FACES)


def is_root() -> bool:
    return os.geteuid() == 0 and shutil.which(AS_FIRST[0]) is not None


def of_row(row: Row, face: str) -> Found:
    sink = Sink()
    sink.always = faults.fine if row.outage == 0 else faults.status(503)
    over = threading.Timer(row.outage or FOREVER, lambda: setattr(sink, "always", faults.fine))
    over.start()
    command = [*(AS_FIRST if row.is_first else ()), sys.executable, str(PROGRAM)]
    command += [face, str(row.count), str(row.pause), row.ending]
    try:
        with scratch() as spool:
            settings = environment(sink, MLSDK_SPOOL=str(spool))
            with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                returned, last = follow(process, row)
                words = b"" if row.is_first else process.communicate()[1]  # unshare says that its child was killed
            ended = time.monotonic()
            sink.always = faults.fine
            drain(face, sink.url, spool)
            return Found(
                f"{row.about}, {face}",
                {**judge(sink, {"s": returned}), "lines on stderr": len(words.splitlines())},
                {"calls": returned, "seconds from the last call to the end": round(ended - last, 2)},
            )
    finally:
        over.cancel()
        sink.close()


def follow(process: subprocess.Popen[bytes], row: Row) -> tuple[int, float]:
    """Kill the program when it is time. Returns how many calls have returned, and when the last one did."""
    assert process.stdout is not None
    returned, began, last = 0, None, 0.0
    while data := os.read(process.stdout.fileno(), 65536):
        returned, last = returned + len(data), time.monotonic()
        began = began or last
        if row.by and (returned == row.count if row.after is None else last - began > row.after):
            for number in row.by:
                os.kill(inner(process.pid) if row.is_first else process.pid, number)
    return returned, last


def inner(pid: int) -> int:
    """The process that "unshare" has started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii"))
