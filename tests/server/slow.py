"""``python -m tests.server.slow``: the command line, with time around each commit in which it may be killed."""

from __future__ import annotations

import time
from functools import wraps

from sqlalchemy import Connection

from mindlytics.cli import main

SECONDS = 0.01
_commit = Connection.commit


@wraps(_commit)
def _slowly(connection: Connection) -> None:
    time.sleep(SECONDS)
    _commit(connection)
    time.sleep(SECONDS)


if __name__ == "__main__":
    Connection.commit = _slowly  # type: ignore[method-assign]
    main()
