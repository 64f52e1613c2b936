"""``mindlytics demo``: it shows what arrived, what did not, and that the account balances."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from mindlytics import Client
from mindlytics.cli import demonstration, main, month
from mindlytics.server.run import LocalServer
from mindlytics.values import UTC

from .processes import Stored, environment, mindlytics, running

LOST = "mindlytics: 1 event was not delivered (the service refused with status 413)\n"


def test_it_shows_the_sessions_the_refused_event_and_the_account(tmp_path: Path) -> None:
    ended = mindlytics("demo", cwd=tmp_path)
    assert (0, LOST) == (ended.returncode, ended.stderr)
    rows = [re.split(r"\s{2,}", line.strip()) for line in ended.stdout.splitlines()]
    assert ["Assistant", "Face", "User", "Turns", "Calls", "Tokens", "Cost"] in rows
    assert ["Nell's Hardware", "blocking", "dana", "3", "2", "1,968", "-"] in rows
    assert ["Harbour Clinic", "blocking", "ml_... -> patient-40718", "4", "2", "1,455", "-"] in rows
    assert ["Meridian Travel", "asyncio", "ines.moreau", "3", "3", "-", "0.017"] in rows
    assert ["Nell's Hardware", "blocking", "teo", "2", "0", "583", "-"] in rows
    assert "  move appointment (fulfilled), positive\n" in ended.stdout
    assert "refused (status 413)" in ended.stdout
    assert "39 events sent = 38 stored + 1 refused (it balances)" in ended.stdout
    table = ended.stdout[: ended.stdout.index("status 413")].splitlines()[:-1]
    assert max(map(len, table)) <= 80
    assert [] == list(tmp_path.iterdir())


def test_an_account_that_does_not_balance_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    find = demonstration._find

    def lossy(http: object, collection: str, **query: object) -> object:
        found = find(http, collection, **query)  # type: ignore[arg-type]
        return [event for event in found if "origin_event_id" in event] if collection == "events" else found

    monkeypatch.setattr(demonstration, "_find", lossy)
    ended = CliRunner().invoke(main, ["demo"])
    assert 1 == ended.exit_code
    assert "39 events sent is not 0 stored + 1 refused (IT DOES NOT BALANCE)" in ended.output


def test_a_month_of_conversations_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month, "CONVERSATIONS", 12)
    ended = CliRunner().invoke(main, ["demo", "--large"])
    assert (0, True) == (ended.exit_code, "12 generated conversations of the last month were added." in ended.output)


def test_the_month_is_the_same_each_time() -> None:
    def stored() -> list[dict[str, object]]:
        with LocalServer(analysis=None) as server:
            with Client(server_endpoint=server.url, api_key="local", project_id="local") as client:
                month.record(client, datetime(2025, 4, 3, 12, tzinfo=UTC), 12)
            columns = {"session_id": 1, "timestamp": 1, "event": 1, "properties": 1}
            return Stored(server.url).find("events", projection=columns, filter={"event": "Conversation Turn"})

    turns = stored()
    assert stored() == turns
    assert min(str(turn["timestamp"]) for turn in turns) >= "2025-03-03"
    assert max(str(turn["timestamp"]) for turn in turns) <= "2025-04-03T12"


def test_a_terminal_that_lacks_letters_gets_others(tmp_path: Path) -> None:
    ended = mindlytics("demo", cwd=tmp_path, PYTHONIOENCODING="ascii", COLUMNS="60")
    assert (0, LOST) == (ended.returncode, ended.stderr)
    assert "39 events sent = 38 stored + 1 refused" in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_kept_it_serves_the_program_that_it_prints(number: int, tmp_path: Path) -> None:
    with running("demo", "--keep", until="Ctrl-C", cwd=tmp_path) as command:
        assert f"Open {command.url}/ in a browser" in command.said
        program = command.said[command.said.index("from mindlytics") : command.said.index("Press Ctrl-C")]
        ended = subprocess.run(
            [sys.executable, "-c", program], env=environment(), capture_output=True, timeout=30, check=False
        )
        assert (0, b"") == (ended.returncode, ended.stderr)
        assert ("Hello!", "Good morning.") in Stored(command.url, "demo", "demo").said()
        assert (0, "", LOST) == command.stop(number)
