"""mindlytics, the blocking face, which also keeps the events on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

from ..turns import Turn
from . import mindlytics

LARGE = 4 * 2**30


def begin(url: str, events: int) -> tuple[Callable[[Turn], object], Callable[[], object]]:
    spool = tempfile.TemporaryDirectory(prefix="mindlytics-")
    record, close = mindlytics.begin(url, events, spool=spool.name, spool_max_bytes=LARGE)

    def deliver() -> None:
        close()
        spool.cleanup()

    return record, deliver
