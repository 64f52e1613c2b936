"""``mindlytics export``: what is recorded comes out whole, and an import of it makes the same again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from mindlytics.recorded import read
from mindlytics.server.run import LocalServer
from mindlytics.transcripts import record

from ..server.calls import Caller, turn
from .talks import recorded


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LocalServer, LocalServer]]:
    with LocalServer(analysis=None, idle=None) as one, LocalServer(analysis=None, idle=None) as other:
        yield one, other


NUMBERS = count()


def lines_of(server: LocalServer, project: str) -> list[bytes]:
    """An export. Sessions that began at the same time are in the order of their ids."""
    lines = list(read(server.url, api_key="k", project_id=project).lines())
    return [orjson.dumps(line) for line in sorted(lines, key=lambda line: line["session_id"])]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recorded())
def test_an_import_of_an_export_comes_to_the_same_export(
    servers: tuple[LocalServer, LocalServer], sessions: list[list[dict[str, Any]]]
) -> None:
    one, other = servers
    project = f"p{next(NUMBERS)}"
    caller = Caller(one.url, "k", project)
    for events in sessions:
        caller.take(*events)
    exported = lines_of(one, project)
    problems: list[str] = []
    summary = record(
        exported,
        api_key="k",
        project_id=project,
        server_endpoint=other.url,
        connections=1,
        on_problem=lambda where, words: problems.append(f"{where}: {words}"),
    )
    assert [] == problems
    assert {"openai_chat"} == set(summary.shapes)
    assert exported == lines_of(other, project)


def test_a_page_is_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So an export of any length takes no more memory than a page and one session."""
    monkeypatch.setattr("mindlytics.server.export.PAGE_BYTES", 3000)
    monkeypatch.setattr("mindlytics.server.export.SESSIONS_AT_ONCE", 7)
    monkeypatch.setattr("mindlytics.server.export.EVENTS_AT_ONCE", 4)
    with LocalServer(tmp_path / "m.db", analysis=None, idle=None) as server:
        caller = Caller(server.url)
        caller.take(*[turn("t" * 1000, session_id=f"s{number:02}") for number in range(20)])
        pages: list[list[dict[str, Any]]] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = caller.get("/bc/v1/export", **({"cursor": cursor} if cursor else {})).json()
            pages.append(answer["results"])
            cursor = answer["next"]
            caller.take(turn("late", session_id=f"later{len(pages)}"))
    assert [f"s{number:02}" for number in range(20)] == [line["session_id"] for page in pages for line in page]
    assert max(len(orjson.dumps(page)) for page in pages) < 3000 + 2 * 1400
    assert len(pages) > 5
