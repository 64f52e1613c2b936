"""``python -m mindlytics``: the command line."""

from __future__ import annotations

import os
import sys

if not getattr(sys.flags, "safe_path", False) and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]  # or the command could import files of the current directory

from .cli import main

main(prog_name="mindlytics")
