"""A PostgreSQL server of the tests' own: Debian's programs, a new directory, a free port of 127.0.0.1, no password.

With ``MINDLYTICS_TESTS_ON=postgresql`` in the environment, the tests of the local server run over it: each file that
they name is a database there. Tests of what a file alone has are marked with ``sqlite_only``.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

HOW = "PostgreSQL is not installed: apt-get install postgresql, pip install 'mindlytics[postgres]'"
ON = os.environ.get("MINDLYTICS_TESTS_ON") == "postgresql"
"""Whether the tests of the local server run over PostgreSQL."""

SECRET = "s3cr3t-of-mine"
"""The password in the URLs of some databases, which nobody asks for."""

sqlite_only = pytest.mark.skipif(ON, reason="a SQLite file alone has it")
NUL = "" if ON else "\0"
"""The character, where ids may hold it."""


def programs() -> Path | None:
    """The directory of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def needed() -> Path:
    """The same; without one, the test is skipped, or fails with ``MINDLYTICS_NEEDS_POSTGRES`` in the environment."""
    found = programs()
    try:
        import psycopg  # noqa: F401
    except ImportError:
        found = None
    if found is None:
        if os.environ.get("MINDLYTICS_NEEDS_POSTGRES"):
            pytest.fail(HOW)
        pytest.skip(HOW)
    return found


class Cluster:
    """A running server. ``url`` is that of its database ``postgres``."""

    def __init__(self, directory: Path, bin: Path) -> None:
        self.directory = directory
        self._bin = bin
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        self.url = f"postgresql://tests@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs, which refuse to be run by root."""
        command = [str(self._bin / program), *arguments]
        options: dict[str, Any] = {"user": self._user, "group": "nogroup"} if os.geteuid() == 0 else {}
        ended = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, timeout=60, check=False, **options
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def start(self) -> None:
        sockets = f"-c unix_socket_directories={self.directory}"
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 {sockets}"
        log = str(self.directory / "log")
        self.run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop it at once, as a machine that is switched off."""
        self.run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-m", "immediate", "stop")

    def freeze(self) -> None:
        """Let all of its processes stand still, as on a machine whose disk hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        first = (self.directory / "data" / "postmaster.pid").read_text().split()[0]
        os.kill(int(first), number)  # first, so that it starts no others
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                if f"PPid:\t{first}\n" in (process / "status").read_text():
                    os.kill(int(process.name), number)

    def database(self, place: object) -> str:
        """The URL of the database that stands for a place, made where it is missing."""
        import psycopg

        name = "t" + hashlib.sha256(str(place).encode()).hexdigest()[:24]
        with psycopg.connect(self.url, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(f"CREATE DATABASE {name}")
        return self.url.replace("/postgres", f"/{name}")


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server that is removed at the end."""
    bin = needed()
    directory = Path(tempfile.mkdtemp(prefix="mindlytics-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "nobody", "nogroup")
        running = Cluster(directory, bin)
        data = str(directory / "data")
        running.run("initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
