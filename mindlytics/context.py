"""The session that is current: what integrations, ``observe`` and the middleware of web frameworks record in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar, Union

from .session import BaseSession

if TYPE_CHECKING:
    from .aio import AsyncSession
    from .client import Session

    AnySession = Union[Session, AsyncSession]
else:
    AnySession = BaseSession  # for those that read annotations at run time: the faces are not imported before their use

S = TypeVar("S", bound="AnySession | None")

_session: ContextVar[AnySession | None] = ContextVar("mindlytics_session", default=None)


@contextmanager
def current(session: S) -> Iterator[S]:
    """Make a session the current one within a ``with`` block, and in the tasks that the block starts.

    Threads begin with no current session. ``contextvars.copy_context().run`` takes it along. Blocks may be nested.
    Leaving the block neither ends the session nor waits for its delivery.

    :param session: of either face. None: nothing is current within the block.
    """
    outer = _session.get()
    _session.set(session)
    try:
        yield session
    finally:
        _session.set(outer)


def current_session() -> AnySession | None:
    """The session of the innermost :func:`current` block around the caller; None outside of any."""
    return _session.get()
