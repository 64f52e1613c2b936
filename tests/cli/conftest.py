"""One local server for the tests of the folder, in a process of its own. Each test has its own project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .processes import Running, Stored, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("serve", "--port", 0, until="Ctrl-C", cwd=tmp_path_factory.mktemp("server")) as command:
        yield command


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)[:100]


@pytest.fixture
def stored(server: Running, project: str) -> Stored:
    return Stored(server.url, project)
