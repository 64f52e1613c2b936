"""``python -m tests.spool NAME…``: the long trials of the spool. Each of them has a file of its name.

``--short`` is what the tests do. It prints what each trial found as a line of JSON. It exits with 1 if a promise was
broken, never because of a time.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module

from attrs import asdict

SHORT = ("kills", "power", "flips", "takers", "pending", "starts")
"""The trials that have a short form."""
NAMES = (*SHORT, "losses", "leftovers", "full", "pace")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.spool", description="The long trials of the spool.")
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--short", action="store_true", help="what the tests do, in seconds")
    parser.add_argument("--seed", type=int, default=1, help="the seed of what is left to chance (default 1)")
    chosen = parser.parse_args()
    if chosen.short and not set(chosen.names) <= set(SHORT):
        parser.error(f"--short is for {', '.join(SHORT)}")
    is_kept = True
    for name in chosen.names:
        trial = import_module(f".{name}", __package__)
        for found in (trial.short if chosen.short else trial.long)(chosen.seed):
            sys.stdout.write(json.dumps({"trial": name, **asdict(found)}) + "\n")
            sys.stdout.flush()
            is_kept = is_kept and not any(found.faults.values())
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
