"""A running server for all tests, and a caller with an app of its own for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mindlytics.server.run import LocalServer

from .calls import Caller


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    with LocalServer(analysis=None) as server:  # what that adds, and when, is in test_analysis.py
        yield server


@pytest.fixture
def caller(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    caller = Caller(server.url, app_id=request.node.nodeid[-200:])
    with caller.http:
        yield caller
