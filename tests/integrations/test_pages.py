"""The pages about integrations: the programs in them run, against a service of models and the local server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mindlytics.server.run import LocalServer

from .models import Models

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs" / "integrations").glob("*.md") if path.stem != "index")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs() -> Iterator[Any]:
    for path in [ROOT / "README.md", *PAGES]:
        text = path.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            if path not in PAGES and "mindlytics.integrations" not in match[1]:
                continue
            yield pytest.param(match[1], id=f"{path.stem}:{text[: match.start()].count(chr(10)) + 2}")


OWN_TRACING = re.compile(r"^\[non-fatal\] Tracing.*\n", re.MULTILINE)
"""What the Agents SDK logs if it cannot reach its own service of traces, which it keeps beside ours."""


@pytest.mark.parametrize("program", list(programs()))
def test_python_in_the_pages_runs(program: str, models: Models, tmp_path: Path) -> None:
    with LocalServer() as server:
        ran = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={
                **os.environ,
                "MLSDK_SERVER_BASE": server.url,
                "MLSDK_API_KEY": "any",
                "MLSDK_PROJECT_ID": "docs",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet when it is imported
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    missing = re.search(r"(?:No module named|cannot import name) '(\w+)", ran.stderr)
    if missing and missing[1] != "mindlytics":
        pytest.skip(f"{missing[1]} is not installed")
    assert (0, "") == (ran.returncode, OWN_TRACING.sub("", ran.stderr))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_begins_with_a_program(page: Path) -> None:
    assert re.match(r"# .+\n\n```python\n", page.read_text(encoding="utf-8"))
