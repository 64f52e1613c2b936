"""What an import records of each format, an export writes, and an import of that records the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mindlytics.cli.exporting import Filters
from mindlytics.recorded.source import source_at
from mindlytics.server.run import LocalServer
from mindlytics.transcripts import record

from .test_samples import FILES, SAMPLES

FOLDERS = sorted({name.partition("/")[0] for name in FILES})


@pytest.fixture(scope="module")
def service() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


def exported(service: LocalServer, project: str) -> list[dict[str, Any]]:
    service.settle()
    lines = source_at(service.url, "local", project).lines(Filters())
    found: list[dict[str, Any]] = [json.loads(json.dumps(line)) for line in lines]
    for line in found:
        line.pop("analysis", None)
    return sorted(found, key=lambda line: str(line["session_id"]))


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_export_is_imported_as_what_it_was(folder: str, service: LocalServer) -> None:
    to = {"server_endpoint": service.url, "api_key": "local"}
    for name in (name for name in FILES if name.startswith(f"{folder}/")):
        options = json.loads((SAMPLES / f"{name}.expected.json").read_text("utf-8")).get("options", {})
        record(SAMPLES / name, project_id=folder, **to, **options)
    before = exported(service, folder)
    problems: list[tuple[str, str]] = []
    lines = list(map(json.dumps, before))
    record(lines, project_id=f"{folder}-2", **to, on_problem=lambda *words: problems.append(words))
    assert before
    assert [] == problems
    assert before == exported(service, f"{folder}-2")
