"""The command line: options in, text and an exit status out.

Other packages do the work: ``server/`` for the local server, ``transcripts/`` for their formats, ``spool/`` and
``pipeline/`` for the spool. Without the extra ``local``, only ``mindlytics doctor`` and ``mindlytics spool`` run.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Any

main: Any


PLAIN = ("doctor", "spool")
"""The commands that need no extra. Each has a function ``run``, which takes arguments and returns the exit status."""


def _plain_only(missing: str | None, prog_name: str = "") -> None:
    """The command line if click or rich is missing."""
    name = "".join(sys.argv[1:2])
    if name not in PLAIN:
        raise SystemExit(f"mindlytics: the command line needs {missing}: install 'mindlytics[local]'")
    sys.exit(import_module(f".{name}", __name__).run(sys.argv[2:]))


try:
    from .group import main
except ModuleNotFoundError as error:
    main = partial(_plain_only, error.name)
