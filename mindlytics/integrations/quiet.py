"""Keeps errors of an integration away from the program."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("mindlytics")
_reported: set[tuple[str, int, str]] = set()


def quiet(function: Callable[P, R]) -> Callable[P, R | None]:
    """Make a function return None instead of raising. Each kind of failure is logged once.

    ``KeyboardInterrupt`` and others outside of ``Exception`` pass through.
    """

    @functools.wraps(function)
    def without_raising(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            report(error)
            return None

    return without_raising


def report(error: Exception) -> None:
    """Log where it failed and the class of the error. Its message may hold what people said."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ("unknown", 0) if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    kind = (*place, type(error).__name__)
    if kind not in _reported:
        _reported.add(kind)
        logger.warning("an integration failed to record: %s at %s:%d", kind[2], kind[0], kind[1])
