"""Where an integration records: its own session, the current one, or one made with a client."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ..context import current_session
from ..errors import InvalidSetting
from ..validators import MAX_NAME

if TYPE_CHECKING:
    from ..aio import AsyncClient
    from ..client import Client
    from ..context import AnySession

MOST_THREADS = 1_000
"""Most sessions that stay open for threads of a framework. Beyond that, the least recently used one is ended."""


class Place:
    """Finds the session for a question.

    :param session: record only there.
    :param client: makes sessions if none is current. Default: a client with the environment's settings.
    """

    def __init__(self, session: AnySession | None = None, client: Client | AsyncClient | None = None) -> None:
        self.session = session
        self.client = client
        self._of_threads: OrderedDict[str, AnySession] = OrderedDict()

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
        return self._of_thread(client, thread_id), False

    def _of_thread(self, client: Any, thread_id: str) -> AnySession:
        # Without a lock, which could be held at a fork. Two threads may each make a session of the same ids, which is
        # fine.
        session: AnySession = self._of_threads.pop(thread_id, None) or client.create_session(
            session_id=thread_id, conversation_id=thread_id
        )
        self._of_threads[thread_id] = session
        if len(self._of_threads) > MOST_THREADS:
            self._of_threads.popitem(last=False)[1].end_session()
        return session


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
