"""A fresh process for each measurement: started, waited for, and measured from outside as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TIMEOUT = 300.0
"""Seconds after which a process is ended."""

FOREIGN = ("MLSDK_", "ALIGNAI_", "OTEL_", "POSTHOG_", "DD_", "LANGSMITH_", "LANGCHAIN_", "PYTHON")


class Failed(Exception):
    """A process that did not end well, and what it said last."""


def clean_environment() -> dict[str, str]:
    """The environment without proxies and without settings of any SDK."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
    }


def measure(*command: str) -> dict[str, Any]:
    """Run a command from the checkout.

    :returns: what it wrote as JSON on its last line, if it did, and of the whole process: ``wall`` and ``cpu`` in
        seconds, and ``ended``, a point on the monotonic clock.
    :raises Failed: it did not exit with 0, or not in time.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdout=said, stderr=complained)
        timer = threading.Timer(TIMEOUT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.monotonic()
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complained.seek(0)
        if process.returncode != 0:
            last = complained.read().decode(errors="replace").strip().splitlines()[-5:]
            raise Failed(f"{' '.join(command[1:4])} ended with {process.returncode}: {' | '.join(last)}")
        lines = said.read().decode().splitlines()
    report = json.loads(lines[-1]) if lines else {}
    return {**report, "wall": ended - started, "cpu": usage.ru_utime + usage.ru_stime, "ended": ended}


def program(name: str, *arguments: object, python: str = sys.executable) -> dict[str, Any]:
    """Run one of ``benchmarks.programs``."""
    return measure(python, "-m", f"benchmarks.programs.{name}", *map(str, arguments))


@contextmanager
def serving(db: Path | str, *options: str) -> Iterator[tuple[int, str]]:
    """The local server over this file or database, in a process of its own: its process id and its address."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "mindlytics", "serve", "--port", "0", "--db", str(db), *options],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=60)
