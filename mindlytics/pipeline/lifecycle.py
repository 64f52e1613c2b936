"""Which pipelines there are, who shares them, and what happens to them when the process forks or ends."""

from __future__ import annotations

import atexit
import contextlib
import logging  # noqa: F401  its hook must be there before ours: a fork takes the locks in the opposite order
import os
import sys
import threading
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from ..delivery.ledger import Ledger
    from .base import Pipeline

P = TypeVar("P", bound="Pipeline")

exit_began: float | None = None
"""The moment of the monotonic clock at which the program began to end."""

importing = threading.Lock()
"""Held while a sender's thread imports; a fork waits for it, since a child could never finish a half-made import."""

listening = threading.RLock()
"""Held while it is noted, or looked up, who listens to live events."""

exit_told = False
"""Whether the line that says what was lost has been written."""

first_at_exit: list[Callable[[], None]] = []
"""What is done once the program ends, before anything is delivered."""

FEW = 16
"""Pipelines among which it is not looked for some that nobody is at any more."""

_shared: dict[Hashable, Pipeline] = {}
_enough = FEW
_lost = 0
"""Events that were lost by pipelines that are no more."""
_lost_cause = ""
"""Why the last of them were."""
_alive: WeakSet[Pipeline] = WeakSet()
_lock = threading.RLock()  # a finalizer may close a client while its thread holds it
_ended: list[Ledger] = []
_cut_short: list[Pipeline] = []
_children_watched = False


def acquire(owner: object, key: Hashable, make: Callable[[], P]) -> P:
    """The pipeline of that key, with ``owner`` among those who keep it alive; made where there is none."""
    while True:
        with _lock:
            pipeline: Any = _shared.get(key)
            if pipeline is None:
                _retire_idle()
                pipeline = _shared.setdefault(key, make())
                _alive.add(pipeline)
            pipeline.owners.add(owner)
            was_left = _shared.get(key) is not pipeline  # a finalizer came in between, and it was the last client's
        if not was_left:
            found: P = pipeline
            return found


def release(owner: object, pipeline: Pipeline) -> bool:
    """``owner`` is done with it. True where it was the last, and the pipeline is to be closed."""
    with _lock:
        pipeline.owners.discard(owner)
        return not pipeline.owners and _forget(pipeline)


def retire(pipeline: Pipeline) -> bool:
    """End a pipeline that has nothing to do and whose clients are all gone; False where one is left, or at the exit."""
    with _lock:
        return _end_idle(pipeline) and _forget(pipeline)


def _retire_idle() -> None:
    """The same for all that are shared and have no sender that would do it.

    It is done when there are twice as many as were left the last time, and so costs a client next to nothing.
    """
    global _enough  # noqa: PLW0603
    if len(_shared) >= _enough:
        for key, pipeline in list(_shared.items()):
            if not pipeline.has_sender() and _end_idle(pipeline) and _shared.get(key) is pipeline:
                del _shared[key]
        _enough = max(FEW, 2 * len(_shared))


def _end_idle(pipeline: Pipeline) -> bool:
    global _lost, _lost_cause  # noqa: PLW0603
    if pipeline.owners or pipeline.ledger.pending or exit_began is not None:
        return False
    if not pipeline.closed:
        pipeline.closed, pipeline.is_open = True, False
        _lost += pipeline.ledger.lost
        _lost_cause = pipeline.ledger.why_lost or _lost_cause
    return True


def _forget(pipeline: Pipeline) -> bool:
    for key, known in list(_shared.items()):
        if known is pipeline:
            del _shared[key]
    return True


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


def flush_all() -> None:
    """Deliver what is pending, all within the longest ``shutdown_timeout``; from a thread that may wait."""
    began = time.monotonic()
    pipelines = list(_shared.values())
    for pipeline in pipelines:
        pipeline.flush_soon()
    for pipeline in pipelines:
        pipeline.flush_from_outside(began + pipeline.settings.shutdown_timeout - time.monotonic())


def _begin_exit() -> None:
    for step in first_at_exit:
        step()


def at_exit() -> None:
    """Deliver what is pending, each pipeline within its ``shutdown_timeout``; say what was lost in one line."""
    global exit_began  # noqa: PLW0603
    exit_began = time.monotonic()
    pipelines = [*_shared.values(), *_cut_short]
    for pipeline in pipelines:  # all of them first, so that none waits for another's service
        pipeline.end_by(exit_began + pipeline.settings.shutdown_timeout, patient=False)
    try:
        for pipeline in sorted(pipelines, key=lambda each: not each.has_sender()):
            pipeline.finish()
    finally:
        _report(pipelines)


def _report(pipelines: list[Pipeline]) -> None:
    """One line for what was lost, if something was."""
    global exit_told  # noqa: PLW0603
    if exit_told:
        return
    ledgers = {*_ended, *(pipeline.ledger for pipeline in pipelines)}
    lost = _lost + sum(ledger.lost for ledger in ledgers)
    if lost:
        exit_told = True
        causes = [ledger.why_lost for ledger in ledgers if ledger.lost and ledger.why_lost] + [_lost_cause]
        events = "1 event was" if lost == 1 else f"{lost} events were"
        why = f" ({causes[0]})" if causes[0] else ""
        with contextlib.suppress(Exception):  # a closed stderr, which is not to change how the process ends
            print(f"mindlytics: {events} not delivered{why}", file=sys.stderr)  # noqa: T201


def _before_fork() -> None:
    importing.acquire()


def _after_fork_in_parent() -> None:
    importing.release()


def forks_without_hooks() -> bool:
    """Whether a server written in C may fork this process at any moment: then no thread must be found importing."""
    return "uwsgi" in sys.modules


def begin_in_child() -> None:
    """Begin anew in a forked child."""
    global _lock, _lost, _lost_cause, importing, listening, _children_watched, exit_began, exit_told  # noqa: PLW0603
    importing = threading.Lock()
    listening = threading.RLock()
    exit_began, exit_told = None, False
    _lock, _lost, _lost_cause = threading.RLock(), 0, ""
    _ended.clear()
    _cut_short.clear()
    _children_watched = False
    for pipeline in list(_alive):  # those too that another thread was just closing
        pipeline.renew()
    transport = sys.modules.get("mindlytics.transport.blocking")
    if transport is not None:  # it has a hook of its own, which not every fork calls
        transport.begin_in_child()


atexit.register(at_exit)
atexit.register(_begin_exit)  # what is registered last comes first
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=begin_in_child)
