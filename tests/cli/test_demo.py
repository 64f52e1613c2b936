"""``mindlytics demo``: it shows what arrived, what did not, and that the account balances."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mindlytics.cli import demonstration, main

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


def test_a_terminal_that_lacks_letters_gets_others(tmp_path: Path) -> None:
    ended = mindlytics("demo", cwd=tmp_path, PYTHONIOENCODING="ascii", COLUMNS="60")
    assert (0, LOST) == (ended.returncode, ended.stderr)
    assert "39 events sent = 38 stored + 1 refused" in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_kept_it_serves_the_program_that_it_prints(number: int, tmp_path: Path) -> None:
    with running("demo", "--keep", until="Ctrl-C", cwd=tmp_path) as command:
        program = command.said[command.said.index("from mindlytics") : command.said.index("Press Ctrl-C")]
        ended = subprocess.run(
            [sys.executable, "-c", program], env=environment(), capture_output=True, timeout=30, check=False
        )
        assert (0, b"") == (ended.returncode, ended.stderr)
        assert ("Hello!", "Good morning.") in Stored(command.url, "demo", "demo").said()
        assert (0, "", LOST) == command.stop(number)
