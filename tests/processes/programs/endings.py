"""The ways in which a process may end at once, by name."""

import os
import signal
from collections.abc import Callable

ENDINGS: dict[str, Callable[[], object]] = {
    "os._exit": lambda: os._exit(0),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "abort": os.abort,
}


def end() -> None:
    """End as ENDING says."""
    ENDINGS[os.environ["ENDING"]]()
