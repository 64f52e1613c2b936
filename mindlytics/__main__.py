"""``python -m mindlytics``: the command line."""

from __future__ import annotations

from .cli import main

main(prog_name="mindlytics")
