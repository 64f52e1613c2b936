"""The command line: options in, text and an exit status out.

Other packages do the work: ``server/`` for the local server, ``transcripts/`` for their formats, ``spool/`` and
``pipeline/`` for the spool. Without the extra ``local``, only ``mindlytics spool`` runs.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

main: Any


def _spool_only(missing: str | None, prog_name: str = "") -> None:
    """The command line if click or rich is missing."""
    if sys.argv[1:2] != ["spool"]:
        raise SystemExit(f"mindlytics: the command line needs {missing}: install 'mindlytics[local]'")
    from .spool import run  # noqa: PLC0415

    sys.exit(run(sys.argv[2:]))


try:
    from .group import main
except ModuleNotFoundError as error:
    main = partial(_spool_only, error.name)
