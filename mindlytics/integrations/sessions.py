"""Where an integration records: its own session, the current one, or one made with a client."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..context import current_session
from ..errors import InvalidSetting
from ..validators import MAX_NAME
from .quiet import quiet

if TYPE_CHECKING:
    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession

THREADS = ("thread_id", "conversation_id", "session_id")
"""The usual names for the id of a conversation, in metadata and tags."""
MOST_SESSIONS = 1_000
"""Most sessions that stay open for ids. Beyond that, the least recently used one is ended."""


class OpenSessions:
    """The sessions of the ids that a framework or a browser names."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, AnySession] = OrderedDict()

    def of(self, id: str, make: Callable[[], AnySession]) -> AnySession:
        """The session of an id, made if there is none."""
        # Without a lock, which could be held at a fork. Two threads may each make a session of the same ids, which is
        # fine.
        open_session = self._sessions.pop(id, None)
        session = self._sessions[id] = open_session or make()
        if len(self._sessions) > MOST_SESSIONS:
            end(self._sessions.popitem(last=False)[1])
        return session


@quiet
def end(session: AnySession) -> None:
    """End a session in which something was recorded."""
    if session._used:
        left_alone(session.end_session())


def left_alone(done: object) -> None:
    """Handle the result of an asyncio session's call. Only a call that waits for room needs a task."""
    if inspect.iscoroutine(done):
        if (loop := asyncio._get_running_loop()) is not None:
            loop.create_task(done)
        else:
            done.close()


class Place:
    """Finds the session for a question.

    :param session: record only there.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self.session = session
        self.client = client
        self._of_threads = OpenSessions()

    @quiet
    def find(self, thread_id: str | None) -> tuple[AnySession | None, bool]:
        """The session, and whether it was made for this one question and ends with it."""
        session = self.session if self.session is not None else current_session()
        if session is not None:
            return session, False
        client = self.client if self.client is not None else default_client()
        if client is None:
            return None, False
        if thread_id is None:
            return client.create_session(), True
        make = partial(client.create_session, session_id=thread_id, conversation_id=thread_id)
        return self._of_threads.of(thread_id, make), False


@quiet
def as_thread_id(id: object) -> str | None:
    """A framework's own id of a thread or session, hashed if it is too long for the service."""
    if id is None or id == "":
        return None
    text = str(id)
    return text if len(text) <= MAX_NAME else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


_default: Client | None = None


def default_client() -> Client | None:
    """One client for all integrations, with the environment's settings, or None if the environment has no key."""
    global _default  # noqa: PLW0603
    if _default is None or _default.is_closed:
        from ..client import Client  # noqa: PLC0415  few programs need it

        try:
            _default = Client()
        except InvalidSetting:
            return None
    return _default
