"""The ways in which a process may end, by name."""

import os
import signal
import sys
from collections.abc import Callable


def _raise() -> None:
    raise RuntimeError("the program is broken")


ENDINGS: dict[str, Callable[[], object]] = {
    "sys.exit": sys.exit,
    "an exception": _raise,
    "os._exit": lambda: os._exit(0),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "abort": os.abort,
}


def end() -> None:
    """End as ENDING says, if it says anything."""
    if ending := os.environ.get("ENDING"):
        ENDINGS[ending]()
