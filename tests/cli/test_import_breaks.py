"""An import that breaks off costs nothing but time: run again, everything is stored, and nothing twice.

``MINDLYTICS_BREAKS=201`` breaks off so many imports instead of a few.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .processes import COMMAND, ROOT, Running, Stored, environment, mindlytics, running

TIMES = int(os.environ.get("MINDLYTICS_BREAKS", "6"))
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
SECONDS = 30.0


def conversations(count: int) -> list[bytes]:
    """Lines of conversations, each third of which has neither id nor time."""
    lines = []
    for number in range(count):
        says = [{"role": role, "content": f"{role} {number}"} for role in ("user", "assistant", "user", "assistant")]
        talk: dict[str, Any] = {"messages": says}
        if number % 3:
            talk |= {"conversation_id": f"c{number}", "timestamp": 1743681600 + number}
        lines.append(json.dumps(talk).encode() + b"\n")
    return lines


def turns(count: int) -> Counter[tuple[str, ...]]:
    """What is stored in the end."""
    return Counter({(f"user {number}", f"assistant {number}"): 2 for number in range(count)})


def begun(url: str, project: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [*COMMAND, "import", "--server", url, "--project-id", project, *map(str, arguments), "-"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, env=environment())


def wait_for(stored: Stored, wanted: int) -> None:
    """Wait until so many turns are stored."""
    until = time.monotonic() + SECONDS
    while len(stored.find("events", filter={"event": "Conversation Turn"}, limit=wanted)) < wanted:
        assert time.monotonic() < until, "the import stores nothing"


@pytest.mark.timeout(60 + 20 * TIMES)
@pytest.mark.parametrize("number", STATUS)
def test_a_signal_costs_nothing_but_time(number: signal.Signals, server: Running, project: str, tmp_path: Path) -> None:
    lines = conversations(90)
    (tmp_path / "chats.jsonl").write_bytes(b"".join(lines))
    draw = random.Random(7)
    for time_ in range(max(1, TIMES // 3)):
        name = f"{project}-{time_}"[-100:]
        stored = Stored(server.url, name)
        noted = ["--resume", tmp_path / f"stored{time_}"]
        resume = ([*noted, "--batch"], [], noted)[time_ % 3]
        process = begun(server.url, name, *resume)
        assert process.stdin is not None
        sent = draw.randrange(20, 80)
        process.stdin.write(b"".join(lines[:sent]))
        process.stdin.flush()
        wait_for(stored, draw.randrange(1, 10))
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
        assert STATUS[number] == process.returncode, err
        if number != signal.SIGKILL:
            assert b"delivered" in out
            assert b"Run the same command again to go on." in err
        ended = mindlytics("import", "--server", server.url, "--project-id", name, *resume, tmp_path / "chats.jsonl")
        assert (0, "") == (ended.returncode, ended.stderr)
        assert turns(90) == Counter(stored.said())


def test_a_server_that_is_away_for_a_while_costs_nothing_but_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = ("serve", "--port", port, "--db", tmp_path / "stored.db")
    lines = conversations(90)
    with running(*serve, until="Ctrl-C", cwd=tmp_path) as first:
        stored = Stored(first.url)
        process = begun(first.url, "local")
        assert process.stdin is not None
        process.stdin.write(b"".join(lines[:45]))
        process.stdin.flush()
        wait_for(stored, 5)
        first.kill()
        process.stdin.write(b"".join(lines[45:]))
        process.stdin.flush()
    with running(*serve, until="Ctrl-C", cwd=tmp_path):
        _, err = process.communicate(timeout=2 * SECONDS)
        assert (0, b"") == (process.returncode, err)
        assert turns(90) == Counter(stored.said())
