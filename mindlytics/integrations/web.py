"""The session of a web request, from a function, a header or a cookie, for all web frameworks."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from ..context import current
from .quiet import quiet
from .sessions import OpenSessions, as_thread_id, default_client, end

if TYPE_CHECKING:
    from .. import AsyncClient, Client
    from ..context import AnySession

HEADER = "X-Session-ID"
COOKIE = "session_id"

R = TypeVar("R")
"""A request of the framework."""
T = TypeVar("T")
Find = Callable[[R], object]
"""Finds an id in a request."""
Look = Callable[[str], "str | None"]
"""Returns the header or cookie of that name, or None."""


class Visits(Generic[R]):
    """Finds or makes the session of each request.

    :param client: makes the sessions. Default: a client with the environment's settings. Without either, there is no
        current session.
    :param session_id: returns a request's session id. Default: from header or cookie.
    :param user_id: returns a request's user id, or None.
    :param header: the name of the header with the session's id.
    :param cookie: the name of the cookie with the session's id.
    """

    def __init__(
        self,
        client: Client | AsyncClient | None = None,
        session_id: Find[R] | None = None,
        user_id: Find[R] | None = None,
        header: str = HEADER,
        cookie: str = COOKIE,
    ) -> None:
        self.client = client
        self.session_id = session_id
        self.user_id = user_id
        self.header = header
        self.cookie = cookie
        self._sessions = OpenSessions()

    def visit(self, request: R, header: Look, cookie: Look) -> Visit:
        """Serve a request. In the ``with`` block of the result, its session is the current one.

        :param header: returns the header of that name, or None.
        :param cookie: returns the cookie of that name, or None.
        """
        session, is_own = quiet(self.find)(request, header, cookie) or (None, False)
        return Visit(session, is_own)

    def find(self, request: R, header: Look, cookie: Look) -> tuple[AnySession | None, bool]:
        """The session, and whether it is for this request alone."""
        client = self.client if self.client is not None else default_client()
        if client is None:
            return None, False
        found_user = None if self.user_id is None else quiet(self.user_id)(request)
        user = None if found_user is None else str(found_user)
        if self.session_id is not None:
            found = quiet(self.session_id)(request)
        else:
            found = header(self.header) or cookie(self.cookie)
        id = as_thread_id(found)
        if id is None:
            return client.create_session(id=user), True
        session = self._sessions.of(id, partial(client.create_session, session_id=id, id=user))
        if user is not None and session.id is None:
            session.id = user
        return session, False


class Visit:
    """A request being served. A session without an id from the client ends with it, or with its streamed body."""

    def __init__(self, session: AnySession | None, is_own: bool) -> None:
        self.session = session
        self._is_own = is_own
        self._current: AbstractContextManager[object] = nullcontext() if session is None else current(session)

    def __enter__(self) -> Visit:
        self._current.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._current.__exit__(None, None, None)
        self.end()

    def streamed(self, pieces: Iterable[T]) -> Body[T]:
        """The pieces of a streamed body, each made while the session is current. The session ends after them."""
        return Body(self._continued(), pieces)

    def async_streamed(self, pieces: AsyncIterable[T]) -> AsyncBody[T]:
        """The same for an asynchronous body."""
        return AsyncBody(self._continued(), pieces)

    def _continued(self) -> Visit:
        visit = Visit(self.session, self._is_own)
        self._is_own = False
        return visit

    def end(self) -> None:
        """End the session, if it is for this request alone."""
        if self._is_own and self.session is not None:
            self._is_own = False
            end(self.session)


class Body(Generic[T]):
    """A streamed body. No generator, since closing one that nobody has read would neither close the pieces nor end
    the session.
    """

    def __init__(self, visit: Visit, pieces: Iterable[T]) -> None:
        self._visit = visit
        self._pieces = pieces
        self._iterator: Iterator[T] | None = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with current(self._visit.session):
            if self._iterator is None:
                self._iterator = iter(self._pieces)
            try:
                return next(self._iterator)
            except BaseException:
                self._visit.end()
                raise

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        try:
            if callable(close):
                with current(self._visit.session):
                    close()
        finally:
            self._visit.end()


class AsyncBody(Generic[T]):
    """An asynchronous streamed body."""

    def __init__(self, visit: Visit, pieces: AsyncIterable[T]) -> None:
        self._visit = visit
        self._pieces = pieces
        self._iterator: AsyncIterator[T] | None = None

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        with current(self._visit.session):
            if self._iterator is None:
                self._iterator = aiter(self._pieces)
            try:
                return await anext(self._iterator)
            except BaseException:
                self._visit.end()
                raise

    async def aclose(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        try:
            if close is not None:
                with current(self._visit.session):
                    await close()
        finally:
            self._visit.end()

    def close(self) -> None:
        """End the session. Django calls this once a response is closed."""
        self._visit.end()
