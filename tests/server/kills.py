"""``python -m tests.server.kills``: the server, or PostgreSQL below it, is killed again and again while events come in.

Two senders post batches under keys of their own, and post a batch again until it is acknowledged. At the end, each
event has to be stored once: an acknowledged one is not lost, and one that was sent again is not stored twice.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

from ..cli.processes import COMMAND, Running, running
from ..postgres import Cluster, cluster
from .calls import Caller, track

SENDERS = 2
BATCH = 20
KILLS = 50
LIFE = (1, 40)
"""Batches that are acknowledged between two kills, at least and at most."""

MOMENT = 0.04
"""Seconds after the last of these at most. An acknowledgement alone would always lead to the same place of a commit."""

AGAIN_SECONDS = 0.01
DEADLINE = 120.0
NAME = "Counted"
SLOW = [*COMMAND[:-1], "tests.server.slow"]
"""The server spends most of its time right before and right after a commit, so that this is when it is killed."""


class Outcome(NamedTuple):
    """How often it was killed, and what became of the events: those acknowledged, lost, and stored more than once.

    :param again: batches that were sent more than once.
    """

    kills: int
    acknowledged: int
    lost: int
    twice: int
    again: int


class Senders:
    """Threads that post batches, one after the other, to a server whose address changes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.acknowledged: set[int] = set()
        self.again = 0
        self._next = 0
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, batches: int) -> None:
        """Wait until so many more batches are acknowledged."""
        with self._changed:
            wanted = len(self.acknowledged) + batches * BATCH
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= wanted, DEADLINE), "nothing is taken"

    def stop(self) -> None:
        """Stop, once each batch is acknowledged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "a batch is never taken"

    def _run(self, sender: int) -> None:
        session_id = f"sender-{sender}"
        while not self._stopping.is_set():
            with self._changed:
                first, self._next = self._next, self._next + BATCH
            numbers = range(first, first + BATCH)
            events = [track(NAME, session_id=session_id, properties={"n": number}) for number in numbers]
            tries = 0
            while not self._post(events, f"batch-{first}"):
                tries += 1
                time.sleep(AGAIN_SECONDS)  # a server that is away is not asked at full speed
            with self._changed:
                self.acknowledged.update(numbers)
                self.again += tries > 0
                self._changed.notify_all()

    def _post(self, events: list[dict[str, object]], key: str) -> bool:
        try:
            with (caller := Caller(self.url)).http:
                return caller.queue(*events, key=key).status_code == 200
        except requests.RequestException:
            return False


def stored(url: str) -> Counter[int]:
    """How often each event is stored."""
    found: Counter[int] = Counter()
    cursor: str | None = ""
    with (caller := Caller(url)).http:
        while cursor is not None:
            query = {"filter": {"event": NAME}, "limit": 5_000, "cursor": cursor}
            answer = caller.get("/bc/v1/db/events/find", **query).json()
            found.update(event["properties"]["n"] for event in answer["results"])
            cursor = answer["next"]
    return found


@contextmanager
def serving(db: object, cwd: Path) -> Iterator[Running]:
    arguments = ("serve", "--port", 0, "--db", db, "--analysis", "none", "--read-timeout", 0)
    with running(*arguments, until="Ctrl-C", cwd=cwd, command=SLOW) as server:
        yield server


def of_server(db: object, kills: int, seed: int) -> Outcome:
    """Kill the server so often, and start it again on the same database."""
    chance = random.Random(seed)
    senders = None
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(kills):
            with serving(db, Path(directory)) as server:
                if senders is None:
                    senders = Senders(server.url)
                senders.url = server.url
                senders.wait_for(chance.randint(*LIFE))
                time.sleep(chance.uniform(0, MOMENT))
                server.kill()
        assert senders is not None
        with serving(db, Path(directory)) as server:
            senders.url = server.url
            senders.stop()
            return _outcome(kills, senders, server.url)


def of_postgresql(database: Cluster, kills: int, seed: int) -> Outcome:
    """Kill PostgreSQL so often, with all of its processes, below a server that stays."""

    def kill() -> None:
        _kill(database)
        database.start()

    return _below(database.database("kills"), kills, seed, kill)


def of_connections(database: Cluster, kills: int, seed: int) -> Outcome:
    """Let PostgreSQL end some of a server's connections so often."""
    import psycopg

    def cut() -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(_CUT)

    return _below(database.database("cuts"), kills, seed, cut)


_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mindlytics' AND random() < 0.7"


def _below(url: str, kills: int, seed: int, kill: Callable[[], None]) -> Outcome:
    """Kill something below a server that stays."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory, serving(url, Path(directory)) as server:
        senders = Senders(server.url)
        for _ in range(kills):
            senders.wait_for(chance.randint(*LIFE))
            time.sleep(chance.uniform(0, MOMENT))
            kill()
        senders.stop()
        return _outcome(kills, senders, server.url)


def _outcome(kills: int, senders: Senders, url: str) -> Outcome:
    found = stored(url)
    lost = len(senders.acknowledged - set(found))
    twice = sum(count > 1 for count in found.values())
    return Outcome(kills, len(senders.acknowledged), lost, twice, senders.again)


def _kill(database: Cluster) -> None:
    """SIGKILL for the server of this directory and its children, which would otherwise end in their own time."""
    file = database.directory / "data" / "postmaster.pid"
    pid = int(file.read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)  # from here on it makes no more children
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *map(int, children)):
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue
    _until(lambda: not any(_runs(each) for each in (pid, *map(int, children))))
    for lock in (file, database.directory / f".s.PGSQL.{database.port}.lock"):
        lock.unlink()  # a process that nobody has waited for still has its number, so it would count as running


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until
        time.sleep(AGAIN_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.server.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"of each kind (default {KILLS})")
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    outcomes = []
    for title, outcome in _outcomes(chosen.kills, chosen.seed):
        words = ", ".join(f"{name} {count:,}" for name, count in outcome._asdict().items())
        sys.stdout.write(f"{title:22} {words}\n")
        sys.stdout.flush()
        outcomes.append(outcome)
    return int(any(outcome.lost or outcome.twice for outcome in outcomes))


def _outcomes(kills: int, seed: int) -> Iterator[tuple[str, Outcome]]:
    with tempfile.TemporaryDirectory() as directory:
        yield "a server on a file", of_server(Path(directory, "kills.db"), kills, seed)
    with cluster() as database:
        yield "PostgreSQL", of_postgresql(database, kills, seed)
        yield "its connections", of_connections(database, 4 * kills, seed)
        yield "a server on PostgreSQL", of_server(database.database("server"), kills, seed)


if __name__ == "__main__":
    sys.exit(main())
