"""The command line: options in, words and an exit status out.

The work itself is elsewhere: the local server in ``server/``, the formats of transcripts in ``transcripts/``, the
spool in ``spool/`` and ``pipeline/``. Without the extra ``local``, only ``mindlytics spool`` runs.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

main: Any


def _spool_only(missing: str | None, prog_name: str = "") -> None:
    """The command line where click or rich is missing."""
    if sys.argv[1:2] != ["spool"]:
        raise SystemExit(f"mindlytics: the command line needs {missing}: install 'mindlytics[local]'")
    from .spool import run  # noqa: PLC0415

    sys.exit(run(sys.argv[2:]))


try:
    from .group import main
except ModuleNotFoundError as error:
    main = partial(_spool_only, error.name)
