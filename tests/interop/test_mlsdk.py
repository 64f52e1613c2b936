"""Programs that were written for the existing client, run with it and with ``mindlytics.compat.mlsdk``.

Each program in ``mlsdk_programs/`` is run twice against the local server, the second time with its import line changed
and nothing else. What it says and what the server has stored afterwards must be the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mindlytics import HTTPClient
from mindlytics.server.run import LocalServer, ServerError

pytest.importorskip("mlsdk")

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted((Path(__file__).parent / "mlsdk_programs").glob("*.py"))
IMPORT = "from mlsdk import "

COLLECTIONS = ("users", "sessions", "conversations", "events", "messages")
TIMES = {"timestamp", "started_at", "ended_at", "duration"}
"""Fields that are equal only if a program sets them."""
NOW = {"created_at", "updated_at"}
MADE_UP = {"event_id", "origin_event_id", "user_id"}
COMPLAINTS = {
    "live": ("Mindlytics Error: previous_id must be the id of a known user\n", ""),
    "refused": ("", "mindlytics: 3 events were not delivered ({url}: status 403: no organization has this API key)\n"),
}
"""A program's stderr before and after its import line is changed, if it writes any."""


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(api_key="key", analysis=None) as server:  # what it adds comes when it likes
        yield server


def run(program: str, server: LocalServer, project: str) -> tuple[str, str]:
    """Run a program to its end: what it says on stdout and stderr."""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "MLSDK_API_KEY": "key",
            "MLSDK_PROJECT_ID": project,
            "MLSDK_SERVER_BASE": server.url,
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert 0 == ran.returncode, ran.stderr
    return ran.stdout, ran.stderr


def stored(server: LocalServer, project: str, *, times: bool) -> dict[str, Any]:
    """Everything that the server has of a project, with made up ids numbered by their first appearance."""
    left_out = NOW if times else NOW | TIMES
    numbers: dict[str, str] = {}

    def plain(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(key, item) for key, item in value.items() if key not in left_out}
        if isinstance(value, list):
            return [plain(name, item) for item in value]
        if isinstance(value, str) and (name in MADE_UP or value.startswith("ml_")):
            return numbers.setdefault(value, f"#{len(numbers)}")
        return "" if value == project else value

    with HTTPClient(server_endpoint=server.url, api_key="key", project_id=project) as http:
        return {
            collection: plain("", http.send_request(method="GET", url=f"/bc/v1/db/{collection}/find", data={}))
            for collection in COLLECTIONS
        }


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_does_the_same_with_its_import_line_changed(path: Path, server: LocalServer) -> None:
    program = path.read_text(encoding="utf-8")
    assert 1 == program.count(IMPORT)
    changed = program.replace(IMPORT, "from mindlytics.compat.mlsdk import ")
    before, after = f"{path.stem}-mlsdk", f"{path.stem}-compat"
    complaint, later = COMPLAINTS.get(path.stem, ("", ""))
    said, complained = run(program, server, before)
    assert complaint == complained
    assert (said, later.replace("{url}", server.url)) == run(changed, server, after)
    times = path.stem == "past"
    expected = stored(server, before, times=times)
    assert "refused" == path.stem or expected["events"]
    assert json.dumps(expected, indent=1) == json.dumps(stored(server, after, times=times), indent=1)


@pytest.fixture
def server_on_3000() -> Iterator[LocalServer]:
    """A server on one of the ports for which clients look for live events on another, 3000 and 4000 up to 3009."""
    for port in range(3000, 3010):
        try:
            with LocalServer(port=port, api_key="key") as server:
                if server.live_url.endswith(f":{port + 1000}"):
                    yield server
                    return
        except ServerError:  # another program's
            continue
    pytest.skip("all ports from 3000 to 3009, or from 4000 to 4009, are taken")


@pytest.mark.parametrize("name", ["mlsdk", "mindlytics.compat.mlsdk"])
def test_live_events_of_a_server_on_port_3000(name: str, server_on_3000: LocalServer) -> None:
    program = (Path(__file__).parent / "mlsdk_programs" / "live_client.py").read_text(encoding="utf-8")
    said, _ = run(program.replace(IMPORT, f"from {name} import "), server_on_3000, "live")
    assert ["Session Started", "Bought", "Session Ended"] * 2 == [line.partition(" ")[2] for line in said.splitlines()]
