"""The suite passes whatever it is started from: tests that break easily, run once more from odd surroundings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOWHERE = "http://127.0.0.1:9"
ODD = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), NOWHERE),
    **dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"), "/nowhere"),
    **{"MLSDK_SERVER_BASE": NOWHERE, "MLSDK_FLUSH_INTERVAL": "soon", "MLSDK_STRICT": "1", "ALIGNAI_HOST": NOWHERE},
    **{"FORCE_COLOR": "1", "COLUMNS": "30", "LC_ALL": "C", "TZ": "Pacific/Chatham", "GUNICORN_CMD_ARGS": "--nonsense"},
    **{"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "always", "PYTHONASYNCIODEBUG": "1", "PYTHONOPTIMIZE": ""},
}
KEPT = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
SELECTION = [
    "tests/antonnia/test_clients.py::test_a_client_of_httpx_is_used_and_left_open",
    "tests/cli/test_tail.py::test_events_come_as_lines_and_ctrl_c_ends_it_quietly",
    "tests/test_examples.py::test_script",
    "tests/processes/test_servers.py::test_gunicorn_preloading_its_app_loses_no_turn[sync-one client]",
]


def as_in_the_background() -> None:
    """What a shell does to what it starts with ``&``, and ``<&-``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.close(0)


@pytest.mark.parametrize("variables", [{}, ODD], ids=["bare", "odd"])
def test_the_suite_passes_from(variables: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *SELECTION],
        cwd=ROOT,
        env={**KEPT, **variables},
        capture_output=True,
        text=True,
        preexec_fn=as_in_the_background,
        start_new_session=True,
        umask=0o077,
        timeout=110,
        check=False,
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
