"""Clients of equal settings share one pipeline: who is at which, and when one that nobody uses any more ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from . import shutdown

if TYPE_CHECKING:
    from .base import Pipeline

P = TypeVar("P", bound="Pipeline")

FEW = 16
"""Pipelines among which it is not looked for some that nobody uses any more."""

_shared: dict[Hashable, Pipeline] = {}
_enough = FEW
_lock = threading.RLock()  # a finalizer may close a client while its thread holds it


def acquire(owner: object, key: Hashable, make: Callable[[], P]) -> P:
    """The pipeline of that key, with ``owner`` among those who keep it alive; made where there is none."""
    while True:
        with _lock:
            pipeline: Any = _shared.get(key)
            if pipeline is None:
                _retire_idle()
                pipeline = _shared.setdefault(key, make())
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
    if pipeline.owners or pipeline.ledger.pending or shutdown.began is not None:
        return False
    if not pipeline.closed:
        pipeline.closed, pipeline.is_open = True, False
        pipeline.give_up()
        shutdown.count_lost(pipeline)
    return True


def _forget(pipeline: Pipeline) -> bool:
    for key, known in list(_shared.items()):
        if known is pipeline:
            del _shared[key]
    return True


def begin_in_child() -> None:
    """A lock of this process's own: a thread of the parent may have held the other."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
