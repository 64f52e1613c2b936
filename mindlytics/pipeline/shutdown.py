"""The end of the program: what is pending is delivered, and one line says what was lost."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from ..delivery.ledger import Ledger
    from .base import Pipeline

began: float | None = None
"""The moment of the monotonic clock at which the program began to end."""

first: list[Callable[[], None]] = []
"""What is done once the program ends, before anything is delivered."""

pipelines: WeakSet[Pipeline] = WeakSet()
"""All that there are. What keeps one alive is its clients, and ``sharing.py`` until it is closed."""

_is_over = False
"""Whether what was pending at the exit is settled, and what was lost is told."""
_told = 0
"""Lost events that were told of."""
_lost = 0
"""Events that were lost by pipelines that are no more."""
_lost_cause = ""
"""Why the last of them were."""
_ended: list[Ledger] = []
_cut_short: list[Pipeline] = []
_lock = threading.RLock()  # a finalizer may close a client while its thread holds it
_children_watched = False


def count_lost(pipeline: Pipeline) -> None:
    """A pipeline ends that nobody will ask: what it lost counts."""
    global _lost, _lost_cause  # noqa: PLW0603
    _lost += pipeline.ledger.lost
    _lost_cause = pipeline.ledger.why_lost or _lost_cause


def remember(pipeline: Pipeline) -> None:
    """Keep the account of a closed pipeline that lost something, for the one line at exit."""
    if pipeline.ledger.lost and not any(ledger is pipeline.ledger for ledger in _ended):
        _ended.append(pipeline.ledger)


def closing_was_cut_short(pipeline: Pipeline) -> None:
    """Nobody waits for its closing any more: what it has pending is delivered when the program ends."""
    with _lock:
        for other in [each for each in _cut_short if not each.ledger.pending]:
            _cut_short.remove(other)
            remember(other)
        _cut_short.append(pipeline)


def watch_child_exit() -> None:
    """In a child of ``multiprocessing`` or Celery, which ends without ``atexit``: use what it has of its own."""
    global _children_watched  # noqa: PLW0603
    if _children_watched:
        return
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, at_exit, exitpriority=-100)
        _children_watched = True
    signals = sys.modules.get("celery.signals")
    if signals is not None:  # the children of its pool leave by os._exit, with nothing but this
        signals.worker_process_shutdown.connect(_at_worker_exit, weak=False)
        _children_watched = True


def _at_worker_exit(**_: object) -> None:
    at_exit()


def _open_ones() -> list[Pipeline]:
    return [pipeline for pipeline in list(pipelines) if not pipeline.closed]


def flush_all() -> None:
    """Deliver what is pending, all within the longest ``shutdown_timeout``; from a thread that may wait."""
    since = time.monotonic()
    for pipeline in _open_ones():
        pipeline.flush_soon()
    for pipeline in _open_ones():
        pipeline.flush_from_outside(since + pipeline.settings.shutdown_timeout - time.monotonic())


def _begin() -> None:
    for step in first:
        step()


def at_exit() -> None:
    """Deliver what is pending, each pipeline within its ``shutdown_timeout``; say what was lost in one line."""
    global began, _is_over  # noqa: PLW0603
    began = time.monotonic()
    ending = _unfinished()
    for pipeline in ending:  # all of them first, so that none waits for another's service
        pipeline.end_by(began + pipeline.settings.shutdown_timeout, patient=False)
    try:
        for pipeline in sorted(ending, key=lambda each: not each.has_sender()):
            pipeline.finish()
    finally:
        _is_over = True
        report_late()


def report_late() -> None:
    """Say what was lost since the line was written, by an exit handler that came even later; nothing before that."""
    global _told
    ledgers = {*_ended, *(pipeline.ledger for pipeline in _unfinished())}
    lost = _lost + sum(ledger.lost for ledger in ledgers)
    if _is_over and lost > _told:
        causes = [ledger.why_lost for ledger in ledgers if ledger.lost and ledger.why_lost] + [_lost_cause]
        more, _told = lost - _told, lost
        events = "1 event was" if more == 1 else f"{more} events were"
        why = f" ({causes[0]})" if causes[0] else ""
        with contextlib.suppress(Exception):  # a closed stderr, which is not to change how the process ends
            print(f"mindlytics: {events} not delivered{why}", file=sys.stderr)  # noqa: T201


def _unfinished() -> list[Pipeline]:
    return [*_open_ones(), *_cut_short]


def begin_in_child() -> None:
    """A forked child has lost nothing yet, and does not end."""
    global began, _is_over, _told, _lost, _lost_cause, _lock, _children_watched
    began, _is_over, _told, _lost, _lost_cause = None, False, 0, 0, ""
    _lock, _children_watched = threading.RLock(), False
    _ended.clear()
    _cut_short.clear()


atexit.register(at_exit)
atexit.register(_begin)  # what is registered last comes first
