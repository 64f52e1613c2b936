"""What runs in a fresh process for each measurement. Each program prints one line of JSON at its end."""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path
from typing import Any


def report(**figures: Any) -> None:
    """Hand the figures to the benchmark."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def memory() -> tuple[int, int]:
    """Bytes that this process has resident now, and had at most.

    The kernel's account of a process's children keeps what the parent had before it started them, so that of the
    process itself is read where there is one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return peak, peak
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s*(\d+) kB$", status, re.MULTILINE))
    return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024
