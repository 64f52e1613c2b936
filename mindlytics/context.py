"""The current session, in which integrations, ``observe`` and web middleware record."""

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
    AnySession = BaseSession  # for tools that read annotations at run time; the faces are imported on first use

S = TypeVar("S", bound="AnySession | None")

_session: ContextVar[AnySession | None] = ContextVar("mindlytics_session", default=None)


@contextmanager
def current(session: S) -> Iterator[S]:
    """Make a session the current one within a ``with`` block, and in the tasks that the block starts.

    New threads start without a current session. ``contextvars.copy_context().run`` passes it on. Blocks may be nested.
    After the block, the session is still open, and delivery continues in the background.

    :param session: of either face. None: the block has no current session.
    """
    outer = _session.get()
    _session.set(session)
    try:
        yield session
    finally:
        _session.set(outer)


def current_session() -> AnySession | None:
    """The session of the innermost :func:`current` block around the caller, or None."""
    return _session.get()
