"""The end of the program: delivers what is pending, and reports losses in one line."""

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
"""When the program began to end, on the monotonic clock."""

first: list[Callable[[], None]] = []
"""Functions to call when the program ends, before delivery."""

pipelines: WeakSet[Pipeline] = WeakSet()
"""All pipelines. Their clients keep them alive, and so does ``sharing.py`` until they are closed."""

_is_over = False
"""Whether the events pending at exit are settled and losses are reported."""
_reported = 0
"""How many lost events were reported."""
_lost = 0
"""How many events were lost by pipelines that have ended."""
_lost_cause = ""
"""Why the last of them were lost."""
_ended: list[Ledger] = []
_cut_short: list[Pipeline] = []
_lock = threading.RLock()  # re-entrant: a finalizer may close a client while its thread holds it
_children_watched = False


def count_lost(pipeline: Pipeline) -> None:
    """Add the losses of a pipeline that ends by itself."""
    global _lost, _lost_cause  # noqa: PLW0603
    _lost += pipeline.ledger.lost
    _lost_cause = pipeline.ledger.why_lost or _lost_cause


def remember(pipeline: Pipeline) -> None:
    """Keep the account of a closed pipeline that lost events, for the line at exit."""
    if pipeline.ledger.lost and not any(ledger is pipeline.ledger for ledger in _ended):
        _ended.append(pipeline.ledger)


def closing_was_cut_short(pipeline: Pipeline) -> None:
    """Note that a close was interrupted. What is pending then is delivered when the program ends."""
    with _lock:
        for other in [each for each in _cut_short if not each.ledger.pending]:
            _cut_short.remove(other)
            remember(other)
        _cut_short.append(pipeline)


def watch_child_exit() -> None:
    """Register an exit hook in a child of ``multiprocessing`` or Celery, which ends without ``atexit``."""
    global _children_watched  # noqa: PLW0603
    if _children_watched:
        return
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, at_exit, exitpriority=-100)
        _children_watched = True
    signals = sys.modules.get("celery.signals")
    if signals is not None:  # its pool's children leave by os._exit, after only this signal
        signals.worker_process_shutdown.connect(_at_worker_exit, weak=False)
        _children_watched = True


def _at_worker_exit(**_: object) -> None:
    at_exit()


def _open_ones() -> list[Pipeline]:
    return [pipeline for pipeline in list(pipelines) if not pipeline.closed]


def flush_all() -> None:
    """Deliver what is pending within the longest ``shutdown_timeout``, called from a thread that may block."""
    since = time.monotonic()
    for pipeline in _open_ones():
        pipeline.flush_soon()
    for pipeline in _open_ones():
        pipeline.flush_from_outside(since + pipeline.settings.shutdown_timeout - time.monotonic())


def _begin() -> None:
    for step in first:
        step()


def at_exit() -> None:
    """Deliver what is pending, each pipeline within its ``shutdown_timeout``, and report losses in one line."""
    global began, _is_over  # noqa: PLW0603
    began = time.monotonic()  # from here on, no thread is started, and each late call delivers its own event
    ending = _unfinished()
    for pipeline in ending:  # all at once, so that none waits for another's service
        pipeline.end_by(began + pipeline.settings.shutdown_timeout, patient=False)
    try:
        # Those with a sender come first, since their delivery is under way. The rest need this thread.
        for pipeline in sorted(ending, key=lambda each: not each.has_sender()):
            pipeline.finish()
    finally:
        _is_over = True
        report_late()


def report_late() -> None:
    """Report losses since the line at exit, for exit handlers that run after ours. Does nothing before that."""
    global _reported
    ledgers = {*_ended, *(pipeline.ledger for pipeline in _unfinished())}
    lost = _lost + sum(ledger.lost for ledger in ledgers)
    if _is_over and lost > _reported:
        causes = [ledger.why_lost for ledger in ledgers if ledger.lost and ledger.why_lost] + [_lost_cause]
        more, _reported = lost - _reported, lost
        events = "1 event was" if more == 1 else f"{more} events were"
        why = f" ({causes[0]})" if causes[0] else ""
        with contextlib.suppress(Exception):  # stderr may be closed, and must not change the exit code
            print(f"mindlytics: {events} not delivered{why}", file=sys.stderr)  # noqa: T201


def _unfinished() -> list[Pipeline]:
    return [*_open_ones(), *_cut_short]


def begin_in_child() -> None:
    """Start a forked child without losses, and outside of an exit."""
    global began, _is_over, _reported, _lost, _lost_cause, _lock, _children_watched
    began, _is_over, _reported, _lost, _lost_cause = None, False, 0, 0, ""
    _lock, _children_watched = threading.RLock(), False
    _ended.clear()
    _cut_short.clear()


atexit.register(at_exit)
atexit.register(_begin)  # the last one registered runs first
