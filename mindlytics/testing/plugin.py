"""A plugin of pytest, found by pytest itself: the fixtures ``mindlytics_recorded`` and ``mindlytics_server``.

With ``mindlytics_offline = true`` in the configuration of pytest, nothing that the tests record leaves the process,
and a client that is made at import needs no credentials.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..server.run import LocalServer
    from .recorded import Recorded

_stack = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting."""
    parser.addini(
        "mindlytics_offline",
        "Let nothing that mindlytics records leave the process, and need no credentials.",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Go offline before any test is imported, if asked to."""
    if config.getini("mindlytics_offline"):
        from .recorded import recording  # noqa: PLC0415  most test runs need none of it

        stack = config.stash[_stack] = ExitStack()
        stack.enter_context(recording())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Go online again."""
    if _stack in config.stash:
        config.stash[_stack].close()


@pytest.fixture
def mindlytics_recorded() -> Iterator[Recorded]:
    """What the clients of this process record during the test, without a network or credentials."""
    from .recorded import recording  # noqa: PLC0415

    with recording() as recorded:
        yield recorded


@pytest.fixture
def mindlytics_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A local server on a free port. Clients made during the test with the environment's settings send to it.

    It needs the extra ``local``.
    """
    from .. import transport  # noqa: PLC0415
    from ..server.run import LocalServer  # noqa: PLC0415
    from .recorded import CREDENTIALS  # noqa: PLC0415

    monkeypatch.setattr(transport, "stand_in", None)
    with LocalServer() as server:
        for name in CREDENTIALS:
            monkeypatch.setenv(name, "testing")
        for name in ("MLSDK_SERVER_BASE", "ALIGNAI_HOST"):
            monkeypatch.setenv(name, server.url)
        monkeypatch.setenv("MLSDK_ENABLED", "1")
        yield server
