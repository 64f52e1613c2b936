"""The command line as its users meet it: processes of its own, with what they say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mindlytics import HTTPClient

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "mindlytics"]


def environment(**more: str) -> dict[str, str]:
    """This process's, in 80 columns."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **more}


def mindlytics(
    *arguments: object, stdin: bytes = b"", cwd: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    ended = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(**more),
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


class Running:
    """A command that stays up, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.said = ""

    def until(self, words: str) -> str:
        """All that it says up to the line with these words."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line
            if words in line:
                return self.said
        raise AssertionError(f"it ended with: {self.said}{self._process.stderr and self._process.stderr.read()}")

    @property
    def url(self) -> str:
        match = re.search(r"http://\S+:\d+", self.said)
        assert match is not None, self.said
        return match[0]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal: the exit status, and what it then said on stdout and stderr."""
        self._process.send_signal(number)
        out, err = self._process.communicate(timeout=30)
        return self._process.returncode, out, err

    def kill(self) -> None:
        """End it on the spot, with SIGKILL."""
        self._process.kill()
        self._process.wait(30)


@contextmanager
def running(
    *arguments: object, until: str, cwd: Path, command: Sequence[str] = COMMAND, **more: str
) -> Iterator[Running]:
    """A command that has said that it is ready."""
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment(**more),
        encoding="utf-8",
    )
    try:
        started = Running(process)
        started.until(until)
        yield started
    finally:
        process.kill()
        process.communicate()


class Stored:
    """What a server has stored for a project."""

    def __init__(self, url: str, project: str = "local", api_key: str = "local") -> None:
        self._http = HTTPClient(server_endpoint=url, api_key=api_key, project_id=project, trust_env=False)

    def find(self, collection: str, **query: Any) -> list[dict[str, Any]]:
        with self._http as http:
            reply = http.send_request(method="GET", url=f"/bc/v1/db/{collection}/find", data=query)
        assert isinstance(reply, list), reply
        return reply

    def said(self, **which: str) -> list[tuple[str, ...]]:
        """The turns and calls, in the order of their arrival."""
        found: list[tuple[str, ...]] = []
        for event in self.find("events", filter=which):
            properties: Mapping[str, Any] = event["properties"]
            if event["event"] == "Conversation Turn":
                found.append((properties["user"], properties["assistant"]))
            elif event["event"] == "Conversation Function":
                found.append((properties["name"], properties["args"], properties["result"]))
        return found
