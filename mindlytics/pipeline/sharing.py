"""Clients of equal settings share one pipeline: which clients use which, and when an unused one ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar, cast

from . import shutdown

if TYPE_CHECKING:
    from .base import Pipeline

P = TypeVar("P", bound="Pipeline")

FEW = 16
"""Up to so many pipelines, none is checked for being unused."""

_shared: dict[Hashable, Pipeline] = {}
_enough = FEW
_lock = threading.RLock()  # re-entrant: a finalizer may close a client while its thread holds it


def acquire(owner: object, key: Hashable, make: Callable[[], P]) -> P:
    """The pipeline of that key, made if there is none. ``owner`` keeps it alive."""
    while True:
        with _lock:
            pipeline = _shared.get(key)
            if pipeline is None:
                _retire_idle()
                pipeline = _shared.setdefault(key, make())
            pipeline.owners.add(owner)
            was_left = _shared.get(key) is not pipeline  # a finalizer of the last client came in between
        if not was_left:
            return cast("P", pipeline)


def release(owner: object, pipeline: Pipeline) -> bool:
    """Remove an owner. Returns True if it was the last, so that the caller closes the pipeline."""
    with _lock:
        pipeline.owners.discard(owner)
        return not pipeline.owners and _forget(pipeline)


def retire(pipeline: Pipeline) -> bool:
    """End an idle pipeline whose clients are all gone. Returns False if one is left, or at exit."""
    with _lock:
        return _end_idle(pipeline) and _forget(pipeline)


def _retire_idle() -> None:
    """End all idle pipelines without a sender, which would do so itself.

    This runs when there are twice as many pipelines as after the last run, so it costs a new client next to nothing.
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
    if not pipeline.closed:  # its clients were dropped without closing them, so no event can follow
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
    """Make a fresh lock, since a thread of the parent may have held the old one."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
