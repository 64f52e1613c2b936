"""One local server for the tests of the folder, in a process of its own. Each test has its own project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .processes import Running, Stored, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    serve = ("serve", "--port", 0, "--read-timeout", 60)  # a busy machine is no reason to find nothing
    with running(*serve, until="Ctrl-C", cwd=tmp_path_factory.mktemp("server")) as command:
        yield command


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)[:100]


@pytest.fixture
def stored(server: Running, project: str) -> Stored:
    return Stored(server.url, project)
