"""What a trial of the spool found. The tests do short trials, and ``python -m tests.spool`` the long ones."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import Factory, frozen

from mindlytics.spool import porch


@frozen
class Found:
    """The result of a trial.

    :param about: what was tried.
    :param faults: how often each promise was broken. All are to be 0.
    :param figures: what was counted or measured besides.
    """

    about: str
    faults: dict[str, int]
    figures: dict[str, float] = Factory(dict)

    def __add__(self, other: Found) -> Found:
        """Both trials as one, with the sums of their counts."""
        return Found(self.about, _sums(self.faults, other.faults), _sums(self.figures, other.figures))


def _sums(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for a spool. It is removed afterwards, and so are the porches of the processes that were killed."""
    path = Path(tempfile.mkdtemp(prefix="spool-"))
    try:
        yield path
    finally:
        remove_porches(path)
        shutil.rmtree(path, ignore_errors=True)


def porches_of(spool: Path) -> list[Path]:
    """What processes with a spool in that directory have in shared memory, living or dead."""
    known = [(path, porch.run_of(path)) for path in porch.PLACE.glob(f"{porch.NAME}*")]
    return [path for path, run in known if run is not None and run.is_relative_to(spool)]


def remove_porches(spool: Path) -> None:
    """Remove what killed processes with a spool in that directory left in shared memory."""
    for path in porches_of(spool):
        path.unlink(missing_ok=True)


def seeded(seed: int, name: str) -> random.Random:
    """Chance that is the same for the same seed and trial."""
    return random.Random(f"{seed} {name}")
