"""``python -m benchmarks.ingest``: how many events per second the local server stores, and what memory it takes.

The server is ``mindlytics serve`` in a process of its own, over a new file, or with ``--db`` over a new database of a
PostgreSQL. Events are counted there, by another connection, after the last reply; so what is counted is stored. The
analysis and the index of words follow afterwards. Their CPU time is measured with sessions that end. The CPU time is
that of the server's process, without PostgreSQL's.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from mindlytics.server.database import database_at

from .environment import described, machine
from .figures import middle, short, whole
from .process import program, serving

MIB = 2**20
TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """The running server, seen from outside."""

    def __init__(self, pid: int, url: str, db: str) -> None:
        self.pid = pid
        self.url = url
        self._database = database_at(db)

    def memory(self) -> float:
        """MiB that it has resident now."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"^VmRSS:\s*(\d+) kB$", status, re.MULTILINE)[0]) * 1024 / MIB

    def cpu(self) -> float:
        """Seconds of CPU that it used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def turns(self) -> int:
        """The turns that are stored."""
        return self._ask("SELECT count(*) FROM events WHERE event = 'Conversation Turn'")

    def settle(self, *, analysed: bool) -> None:
        """Wait until all is indexed, and analysed."""
        indexing = "SELECT indexed < (SELECT max(seq) FROM events) FROM store"
        while self._ask(indexing) or (analysed and self._ask("SELECT count(*) FROM unanalysed")):
            time.sleep(0.1)

    def _ask(self, query: str) -> int:
        with closing(self._database.reading(lambda: False)) as connection:
            return int(connection.exec_driver_sql(query).scalar_one())


@contextmanager
def new_database(at: str | None) -> Iterator[str]:
    """A file, or a database of the PostgreSQL at this URL, which is removed at the end."""
    if at is None:
        with tempfile.TemporaryDirectory(prefix="mindlytics-") as directory:
            yield str(Path(directory, "ingest.db"))
        return
    import psycopg  # noqa: PLC0415  only PostgreSQL needs it

    name = f"mindlytics_{os.getpid()}"
    with psycopg.connect(at, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield make_url(at).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def server(at: str | None, *options: str) -> Iterator[Server]:
    """A server of its own, over a new database."""
    with new_database(at) as db, serving(db, *options) as (pid, url):
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
        epilog="Exits with 1 if an event is not stored at the end.",
    )
    parser.add_argument("--events", type=int, default=100_000, help="events in a run (default 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default 3)")
    parser.add_argument("--db", help="postgresql://…, a server where databases can be made (default: a new file)")
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
            with server(chosen.db) as running:
                show(title, running, name, *options, running.url, chosen.events)
    for title in KINDS if chosen.rounds else ():
        rate = middle([figures for figures in found if figures["title"] == title], "rate")
        sys.stdout.write(f"{title + ', median':32}{whole(rate):>26} events/s\n")
    for analysis in ("none", "local") if chosen.ends else ():
        with server(chosen.db, "--analysis", analysis) as running:
            before = running.cpu()
            show(f"sessions end, analysis {analysis}", running, "ready", running.url, chosen.events, "--ends")
            running.settle(analysed=analysis != "none")
            cpu = (running.cpu() - before) / found[-1]["sent"] * 1e6
            sys.stdout.write(f"{'… until all is analysed, indexed':32}{short(cpu):>35} µs CPU each\n")
            sys.stdout.flush()
    if chosen.growth:
        step = chosen.growth // 10
        with server(chosen.db) as running:
            for number in range(10):
                title = f"ready-made, to {whole(step * (number + 1))}"
                show(title, running, "ready", running.url, step, "--first", number * step)
    lost = sum(figures["lost"] for figures in found)
    if lost:
        sys.stderr.write(f"{lost} events are not stored\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
