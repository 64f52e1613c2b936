"""``python -m benchmarks.instructions``: the instructions of one event, counted by valgrind's callgrind.

Each figure is a difference between a long and a short run, so imports and the start of the process are not in it.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .environment import commit, machine
from .figures import whole
from .process import ROOT, clean_environment
from .progress import done, say
from .report import put
from .sink import Sink
from .tables import Table

KINDS = {
    "turn": "a turn of two texts",
    "property": "a turn with one property",
    "session": "`create_session(…)`",
    "client": "`Client(…)` of the settings of one that exists",
}
COUNTS = (1_000, 5_000)
"""Times that the short and the long run do it."""

STORED = ROOT / "benchmarks" / "results" / "instructions.json"
BEGIN, END = "<!-- instructions -->", "<!-- end of instructions -->"

Counted = dict[str, list[float]]
"""For each kind: instructions on the calling thread, and on all threads."""


PROGRAM = str(ROOT / "benchmarks" / "programs" / "counted.py")


def count(package: Path, kind: str, url: str, counts: tuple[int, int] = COUNTS) -> list[float]:
    """The instructions of one time: on the thread that calls, and on all threads.

    :param package: the folder that holds the package.
    :raises subprocess.CalledProcessError: valgrind or the program failed.
    """
    short, long = (run(package, kind, url, times) for times in counts)
    return [(more - less) / (counts[1] - counts[0]) for more, less in zip(long, short, strict=True)]


def run(package: Path, kind: str, url: str, times: int) -> tuple[int, int]:
    """The instructions of a whole process: on its first thread, and on all threads."""
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder:
        subprocess.run(
            [
                *("valgrind", "-q", "--tool=callgrind", "--separate-threads=yes"),
                f"--callgrind-out-file={folder}/out",
                *(sys.executable, PROGRAM, kind, url, str(times)),
            ],
            cwd=folder,
            env=_environment(package),
            check=True,
        )
        totals = [
            int(found[1])
            for path in sorted(Path(folder).glob("out-*"))  # the first thread is out-01
            if (found := re.search(r"^totals: (\d+)$", path.read_text("ascii", "replace"), re.MULTILINE))
        ]
    return totals[0], sum(totals)


def _environment(package: Path) -> dict[str, str]:
    return {**clean_environment(), "PYTHONPATH": str(package), "PYTHONHASHSEED": "0"}


@contextmanager
def package_of(revision: str) -> Iterator[Path]:
    """A folder with the package as it was at a commit."""
    with tempfile.TemporaryDirectory(prefix="mindlytics-") as folder:
        packed = subprocess.run(["git", "archive", revision, "mindlytics"], cwd=ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def counted(package: Path, name: str, sink: Sink) -> Counted:
    """Every kind, counted."""
    compiling = [sys.executable, PROGRAM, "turn", sink.url, "1"]
    subprocess.run(compiling, cwd=tempfile.gettempdir(), env=_environment(package), check=True)
    found = {}
    for kind in KINDS:
        say(f"{name}: {kind}")
        found[kind] = count(package, kind, sink.url)
    return found


def table(result: dict[str, Counted]) -> Table:
    """The counts of each commit beside each other; for events, those of the call and those of the whole way."""
    rows = []
    for kind, title in KINDS.items():
        is_event = kind in ("turn", "property")
        rows.append((f"{title}: the call" if is_event else title, *(whole(each[kind][0]) for each in result.values())))
        if is_event:
            rows.append((f"{title}: the whole way", *(whole(each[kind][1]) for each in result.values())))
    return Table("Instructions", ("", *result), rows)


def section(stored: dict[str, dict[str, Counted]]) -> str:
    """What stands between the page's markers."""
    markdown = table(stored["counts"]).markdown().partition("\n\n")[2]
    return f"\nCounted with Python {stored['python']}:\n\n{markdown}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("commits", nargs="*", help="counted before the checkout")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/performance.md")
    chosen = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.error("valgrind is missing: apt-get install valgrind")
    counts: dict[str, Counted] = {}
    with Sink() as sink:
        for revision in chosen.commits:
            with package_of(revision) as package:
                counts[revision] = counted(package, revision, sink)
        now = commit()
        counts[now] = counted(ROOT, now, sink)
    done()
    sys.stdout.write(table(counts).text())
    if chosen.docs:
        stored = {"python": machine()["python"], "counts": counts}
        STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        put(section(stored), BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
