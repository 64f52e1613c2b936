"""A second sink, for sessions that are recorded for two services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mindlytics.align import mirror

from ..sink import Sink


@pytest.fixture
def other() -> Iterator[Sink]:
    """Align AI's service, beside that of Mindlytics."""
    made = Sink()
    mirror._sessions.clear()  # another sink may have had the same port
    yield made
    made.close()
