"""A running server for all tests, and a caller with an app of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mindlytics.server.run import LocalServer

from .. import postgres
from .calls import Caller


@pytest.fixture(scope="session", autouse=True)
def _database() -> Iterator[None]:
    """Where the tests are to run over PostgreSQL, each file is a database there."""
    if not postgres.ON:
        yield
        return
    from mindlytics.server.postgres import PostgreSQL

    with postgres.cluster() as cluster, pytest.MonkeyPatch.context() as patch:

        def database_at(place: object) -> PostgreSQL:
            url = str(place)
            return PostgreSQL(url if url.startswith("postgresql:") else cluster.database(Path(url).absolute()))

        patch.setattr("mindlytics.server.store.database_at", database_at)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    with LocalServer(analysis=None) as server:  # what that adds, and when, is in test_analysis.py
        yield server


@pytest.fixture
def caller(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    caller = Caller(server.url, app_id=request.node.nodeid[-200:])
    with caller.http:
        yield caller


@pytest.fixture(scope="module")
def running() -> Iterator[postgres.Cluster]:
    with postgres.cluster() as found:
        yield found


@pytest.fixture
def url(running: postgres.Cluster, request: pytest.FixtureRequest) -> str:
    """A database of the test's own, by a URL with a password, which nobody asks for."""
    return running.database(request.node.nodeid).replace("tests@", f"tests:{postgres.SECRET}@")
