"""``python -m benchmarks.ingest``: how many events per second the local server stores, and what memory it takes.

The server is ``mindlytics serve`` in a process of its own, over a new file. Events are counted in the file, by another
connection, after the last reply; so what is counted is stored. The analysis and the index of words follow afterwards.
Their CPU time is measured with sessions that end.
"""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .environment import described, machine
from .figures import middle, short, whole
from .process import program, serving

MIB = 2**20
TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """The running server, seen from outside."""

    def __init__(self, pid: int, url: str, db: Path) -> None:
        self.pid = pid
        self.url = url
        self.db = db

    def memory(self) -> float:
        """MiB that it has resident now."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"^VmRSS:\s*(\d+) kB$", status, re.MULTILINE)[0]) * 1024 / MIB

    def cpu(self) -> float:
        """Seconds of CPU that it used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def turns(self) -> int:
        """The turns that are in the file."""
        return self._ask("SELECT count(*) FROM events WHERE event = 'Conversation Turn'")

    def settle(self, *, analysed: bool) -> None:
        """Wait until all is indexed, and analysed."""
        indexing = "SELECT indexed < (SELECT max(seq) FROM events) FROM store"
        while self._ask(indexing) or (analysed and self._ask("SELECT count(*) FROM unanalysed")):
            time.sleep(0.1)

    def _ask(self, query: str) -> int:
        with closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0])


@contextmanager
def server(*options: str) -> Iterator[Server]:
    """A server of its own, over a file that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="mindlytics-") as directory:
        db = Path(directory, "ingest.db")
        with serving(db, *options) as (pid, url):
            yield Server(pid, url, db)


def measured(running: Server, name: str, *arguments: object) -> dict[str, Any]:
    """One program that sends to the server: its rate, the server's CPU for an event, and what is lost."""
    before, cpu = running.turns(), running.cpu()
    report = program(name, *arguments)
    cpu = running.cpu() - cpu
    sent, stored = report["sent"], running.turns() - before
    return {
        "sent": sent,
        "lost": sent - stored,
        "rate": sent / (report["finished"] - report["first"]),
        "cpu": cpu / sent * 1e6,
        "memory": running.memory(),
    }


KINDS = {"ready-made bodies": ("ready",), "mindlytics, blocking": ("calls", "mindlytics")}
"""Who sends: a program that posts bodies which it has, and one that records turns with a client."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ingest",
        description="Measures how many events per second the local server stores: it and who sends are processes.",
        epilog="Exits with 1 if an event is not in the file at the end.",
    )
    parser.add_argument("--events", type=int, default=100_000, help="events in a run (default 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default 3)")
    parser.add_argument("--ends", action="store_true", help="then sessions that end, with and without analysis")
    parser.add_argument("--growth", type=int, default=0, help="then so many ready-made events, in ten steps")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    found: list[dict[str, Any]] = []

    def show(title: str, running: Server, name: str, *arguments: object) -> None:
        figures = measured(running, name, *arguments)
        found.append({"title": title, **figures})
        sys.stdout.write(
            f"{title:32}{whole(figures['sent']):>10} events{whole(figures['rate']):>9} events/s"
            f"{short(figures['cpu']):>7} µs CPU each{figures['memory']:>7.1f} MiB\n"
        )
        sys.stdout.flush()

    sys.stdout.write(described(machine()))
    for _ in range(chosen.rounds):
        for title, (name, *options) in KINDS.items():
            with server() as running:
                show(title, running, name, *options, running.url, chosen.events)
    for title in KINDS if chosen.rounds else ():
        rate = middle([figures for figures in found if figures["title"] == title], "rate")
        sys.stdout.write(f"{title + ', median':32}{whole(rate):>26} events/s\n")
    for analysis in ("none", "local") if chosen.ends else ():
        with server("--analysis", analysis) as running:
            before = running.cpu()
            show(f"sessions end, analysis {analysis}", running, "ready", running.url, chosen.events, "--ends")
            running.settle(analysed=analysis != "none")
            cpu = (running.cpu() - before) / found[-1]["sent"] * 1e6
            sys.stdout.write(f"{'… until all is analysed, indexed':32}{short(cpu):>35} µs CPU each\n")
            sys.stdout.flush()
    if chosen.growth:
        step = chosen.growth // 10
        with server() as running:
            for number in range(10):
                title = f"ready-made, to {whole(step * (number + 1))}"
                show(title, running, "ready", running.url, step, "--first", number * step)
    lost = sum(figures["lost"] for figures in found)
    if lost:
        sys.stderr.write(f"{lost} events are not in the file\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
