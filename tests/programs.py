"""Runs whole programs as processes of their own, against a sink."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pytest

from .sink import Sink

BLOCKING = "from mindlytics import Client\nclient = Client()\nsession = client.create_session(id='u')\n"
ASYNC = "import asyncio\n" + BLOCKING.replace("Client", "AsyncClient")
ALIGN = """
import itertools
from mindlytics.align import AlignAI
client, indexes = AlignAI(), itertools.count(1)
class session:
    def track_event(event): return client.create_message('s', next(indexes), 'user', event)
client.create_session = lambda id: session
"""
"""The same over the wire of Align AI."""
STARTS = ("blocking", "asyncio", "AlignAI", "AsyncAlignAI")
"""What the programs in ``processes/programs`` can record with, chosen by START in the environment."""
TRACK = "for n in range(50): session.track_event(event=str(n))\n"

STRICT = ("-W", "error", "-X", "dev")
FORKING = (*STRICT, "-W", "ignore:This process:DeprecationWarning")  # from 3.12 on: any fork beside threads
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
"""Leaves the coverage of a program that forks unmeasured: its child may inherit the lock of the measurement, taken."""


SLOW = re.compile(r"^Executing <.*> took [\d.]+ seconds\n", re.MULTILINE)
"""What asyncio's development mode notes about a step on a machine that is busy."""


def skip_without(library: str) -> None:
    """Skip a test if its program needs a library that is not installed. The test itself must not import it."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


class Service(Protocol):
    """What programs record for."""

    @property
    def url(self) -> str: ...


def environment(sink: Service, **more: str) -> dict[str, str]:
    of_align = {"ALIGNAI_API_KEY": "k", "ALIGNAI_PROJECT_ID": "p", "ALIGNAI_HOST": sink.url}
    of_others = {"MLSDK_API_KEY": "k", "MLSDK_PROJECT_ID": "p", "MLSDK_SERVER_BASE": sink.url}
    return {**os.environ, **of_align, **of_others, **more}


def command(program: str | Path, *options: str) -> list[str]:
    """The command that runs a file, or a program in a text."""
    what = [str(program)] if isinstance(program, Path) else ["-c", textwrap.dedent(program)]
    return [sys.executable, *options, *what]


def run(sink: Service, program: str | Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end. ``settings`` are environment variables."""
    ran = subprocess.run(
        command(program, *options),
        env=environment(sink, **settings),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    ran.stderr = SLOW.sub("", ran.stderr)
    return ran


def run_forking(sink: Service, program: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program that forks to its end."""
    return run(sink, program, *FORKING, **UNMEASURED, **settings)


def signalled(sink: Sink, program: str | Path, number: int, **settings: str) -> tuple[int, str]:
    """Run a program and send it a signal once it has printed ``ready``. Returns its exit code and its later output."""
    env = environment(sink, **settings)
    with subprocess.Popen(command(program), env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "ready\n" == process.stdout.readline()
            process.send_signal(number)
            printed = process.communicate(timeout=20)[0]
            return process.returncode, printed
        finally:
            process.kill()
