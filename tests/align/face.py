"""Align AI's clients under the calls that the tests of delivery make, so that the same tests run over both wires."""

from __future__ import annotations

import itertools
from typing import Any

from mindlytics.align import ROLE_USER, AlignAI, AsyncAlignAI

from ..conftest import Face

LIKE_THE_OTHERS = {"flush_interval": 0.5, "max_batch_events": 500, "retry_for": 60}


class AlignFace(Face):
    """A face that makes clients of Align AI, by the defaults of the other clients."""

    def client(self, **settings: Any) -> Any:
        quick = {"api_key": "key-1", "project_id": "proj-1", "api_host": self.url, "max_retry_wait": 0.05}
        client = self.kind(**{**quick, **LIKE_THE_OTHERS, **settings})
        self.clients.append(client)
        return _Client(client)

    @property
    def is_async(self) -> bool:
        return self.kind is AsyncAlignAI


class _Client:
    def __init__(self, client: AlignAI | AsyncAlignAI) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def __repr__(self) -> str:
        return repr(self._client)

    def create_session(self, *, session_id: str = "s", id: str = "u") -> Any:
        return _Session(self._client, session_id)


class _Session:
    """Events are messages: the name is the first word, properties are the others."""

    def __init__(self, client: AlignAI | AsyncAlignAI, session_id: str) -> None:
        self._client = client
        self._id = session_id
        self._indexes = itertools.count(1)
        self.get_errors = client.get_errors
        self.flush = client.flush

    def track_event(self, *, event: str, properties: dict[str, str] | None = None) -> Any:
        content = " ".join([event, *(properties or {}).values()])
        return self._client.create_message(self._id, next(self._indexes), ROLE_USER, content)

    def track_conversation_turn(self, *, user: str, assistant: str) -> Any:
        return self.track_event(event=user)
