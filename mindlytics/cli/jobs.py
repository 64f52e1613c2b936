"""Several processes that share the files of an import."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import TYPE_CHECKING

from ..transcripts import Summary
from ..transcripts.parts import Part

if TYPE_CHECKING:
    from .importing import Stopped


def run_in_processes(
    shares: Sequence[str | Part], jobs: int, job: Callable[[str | Part], Summary], stopped: Stopped
) -> Summary:
    """Run a job on each file or part of one, in so many processes, and add up the counts. A signal ends all of them."""
    context = multiprocessing.get_context("spawn")
    summary = Summary()
    waiting = list(reversed(shares))
    running: dict[Connection, tuple[SpawnProcess, str | Part]] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.number = number
        for process, _ in list(running.values()):
            process.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while running or (waiting and stopped.number is None and not summary.stopped):
            while waiting and len(running) < jobs and stopped.number is None and not summary.stopped:
                ours, theirs = context.Pipe(duplex=False)
                file = waiting.pop()
                process = context.Process(target=_work, args=(job, file, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = (process, file)
            for ready in wait(list(running), timeout=1.0):
                assert isinstance(ready, Connection)
                process, file = running.pop(ready)
                try:
                    summary += ready.recv()
                except EOFError:  # it died
                    summary.problems += 1
                    summary.stopped = summary.stopped or str(file)
                process.join()
                ready.close()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped.number is not None and waiting:
        summary.stopped = summary.stopped or str(waiting[-1])
    return summary


def _work(job: Callable[[str | Part], Summary], file: str | Part, results: Connection) -> None:
    results.send(job(file))
    results.close()
