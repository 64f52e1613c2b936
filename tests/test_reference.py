"""The reference, as it is built: it shows what programs call, with the types of the face that they call."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sphinx")
from sphinx.addnodes import desc_signature

ROOT = Path(__file__).parents[1]
INSIDE = re.compile(
    r"\b(?:Done|Id|One|Perhaps|Many|Each|Planned|Self|[PLRT]|REQUIRED|MISSING|NOTHING|Unpack|Base\w+|\w*Pipeline|\w+Mirror|Mirror"
    r"|Account|Face|Call\[|ServiceClient|attr_dict|_\w+)\b"
)
"""Type variables, and names that no program needs."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The documents, by name."""
    built = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "text", "-d", str(built), "docs", str(built / "text")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert (0, "") == (ran.returncode, ran.stderr)
    return {path.stem: pickle.loads(path.read_bytes()) for path in built.rglob("*.doctree")}


def signatures(page: Any) -> list[str]:
    return [node.astext().replace("\n", " ") for node in page.findall(desc_signature)]


def test_no_name_from_inside_is_shown(pages: dict[str, Any]) -> None:
    shown = [signature for page in pages.values() for signature in signatures(page)]
    assert len(shown) > 100
    assert [] == [signature for signature in shown if INSIDE.search(signature)]


@pytest.mark.parametrize(
    ("page", "signature"),
    [
        ("clients", r"class mindlytics\.Session"),
        ("clients", r"create_session\(.*\) -> Session"),
        ("clients", r"create_session\(.*\) -> AsyncSession"),
        ("clients", r"track_event\(\*, event: str, properties: .*\) -> None"),
        ("clients", r"track_event\(\*, event: str, properties: .*\) -> Coroutine\[Any, Any, None\]"),
        ("clients", r"start_session\(.*\) -> str"),
        ("clients", r"start_session\(.*\) -> Coroutine\[Any, Any, str\]"),
        ("clients", r"flush\(timeout: float \| None = None\) -> FlushResult"),
        ("clients", r"async flush\(timeout: float \| None = None\) -> FlushResult"),
        ("clients", r"class mindlytics\.Client\(.*destinations: Sequence\[AlignAI\] = \(\), \*\*settings\)"),
        ("align", r"close_session\(session_id: str\) -> None"),
        ("align", r"close_session\(session_id: str\) -> Awaitable\[None\]"),
        ("antonnia", r"get\(session_id: str\) -> Session"),
        ("antonnia", r"get\(session_id: str, message_id: str\) -> Message \| None"),
        ("antonnia", r"search\(.*\) -> list\[Session\]"),
    ],
)
def test_a_call_is_shown_as_its_face_has_it(pages: dict[str, Any], page: str, signature: str) -> None:
    assert [] != [each for each in signatures(pages[page]) if re.fullmatch(signature, each)]


@pytest.mark.parametrize("page", ["clients", "align"])
def test_the_arguments_of_a_client_are_shown(pages: dict[str, Any], page: str) -> None:
    assert 2 == pages[page].astext().count("api_key -- ")
