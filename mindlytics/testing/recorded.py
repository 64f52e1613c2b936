"""An in-memory service: it takes what clients of this process deliver, and shows it to a test."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar
from unittest.mock import patch
from urllib.parse import urlsplit

import orjson

from .. import transport
from ..align.events import AlignEvent
from ..align.settings import COLLECT_PATH
from ..events import ConversationFunction, ConversationTurn, Event
from ..pipeline import shutdown
from ..secret import Headers
from ..wire import ALIAS_PATH, IDENTIFY_PATH, QUEUE_PATH, decode
from .comparing import Message, first_difference

E = TypeVar("E", bound=Event)

TIMEOUT = 10.0
"""Seconds to wait for pending events, at most."""

CREDENTIALS = ("MLSDK_API_KEY", "MLSDK_PROJECT_ID", "ALIGNAI_API_KEY", "ALIGNAI_PROJECT_ID")


class Recorded:
    """What the clients of this process recorded, blocking and asyncio, in the order of its arrival.

    Each attribute first delivers what is pending, so a test needs no ``flush``. ``before_send``, ``redact`` and
    ``content_mode`` have done their work.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._align: list[AlignEvent] = []
        self.is_down = False
        """Set it to True, and the service answers with status 503. What is pending then arrives later."""

    @property
    def events(self) -> list[Event]:
        """All events, see :mod:`mindlytics.events`."""
        self._deliver()
        return list(self._events)

    @property
    def turns(self) -> list[ConversationTurn]:
        """The turns: ``user``, ``assistant``, ``usage``, ``properties``, ``session_id``, ``conversation_id``."""
        return self.of(ConversationTurn)

    @property
    def calls(self) -> list[ConversationFunction]:
        """The function calls: ``name``, ``args``, ``result``, ``runtime`` in milliseconds."""
        return self.of(ConversationFunction)

    @property
    def align_events(self) -> list[AlignEvent]:
        """What clients of Align AI recorded, see :mod:`mindlytics.align.events`."""
        self._deliver()
        return list(self._align)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def messages(self, conversation_id: str | None = None) -> list[Message]:
        """What was said and called, as pairs: ``("user", text)``, ``("assistant", text)``, ``("tool", name)``.

        :param conversation_id: one conversation. Default: all.
        """
        found: list[Message] = []
        for event in self.events:
            if conversation_id is not None and getattr(event, "conversation_id", None) != conversation_id:
                continue
            if isinstance(event, ConversationTurn):
                texts = (("user", event.user), ("assistant", event.assistant))
                found += [(role, text) for role, text in texts if text]
            elif isinstance(event, ConversationFunction):
                found.append(("tool", event.name))
        return found

    def assert_messages(self, expected: Sequence[Message], conversation_id: str | None = None) -> None:
        """Compare with :meth:`messages`.

        :raises AssertionError: they differ. The message shows the first difference.
        """
        difference = first_difference(expected, self.messages(conversation_id))
        if difference is not None:
            raise AssertionError(difference)

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._deliver()
        self._events.clear()
        self._align.clear()

    def _deliver(self) -> None:
        """Deliver what is pending in any client of this process."""
        for pipeline in [] if self.is_down else list(shutdown.pipelines):
            if pipeline.ledger.pending:
                pipeline.flush_from_outside(TIMEOUT)

    def _answer(self, method: str, url: str, body: bytes | None, headers: Headers) -> transport.Reply:
        """Answer a request as the service does."""
        path = urlsplit(url).path
        if self.is_down:
            return _reply(503, {"error": "is_down was set"})
        if path == QUEUE_PATH:
            sent = orjson.loads(body or b"[]")
            self._events += map(decode, sent if isinstance(sent, list) else [sent])
        elif path == COLLECT_PATH:
            from ..align import wire  # noqa: PLC0415  it needs protobuf

            self._align += map(wire.decode, wire.decode_request(body or b"")[1])
        elif path in (IDENTIFY_PATH, ALIAS_PATH):
            asked = orjson.loads(body or b"{}")
            return _reply(200, {"user_id": asked.get("id"), "aliases": [], "traits": {}, **asked})
        else:
            return _reply(
                501, {"error": "only events are recorded in memory; use mindlytics_server for other requests"}
            )
        return _reply(200, {})


def _reply(status: int, document: Mapping[str, object]) -> transport.Reply:
    return transport.Reply(status, {"Content-Type": "application/json"}, orjson.dumps(document))


@contextmanager
def recording() -> Iterator[Recorded]:
    """Record in memory what any client of this process sends, and let nothing reach the network.

    Clients that you make within it need no credentials, and are enabled. It records those made before too, unless they
    are disabled.
    """
    recorded = Recorded()
    before = transport.stand_in
    transport.stand_in = recorded._answer
    missing = {name: "testing" for name in CREDENTIALS if not os.environ.get(name)}
    try:
        with patch.dict(os.environ, {**missing, "MLSDK_ENABLED": "1"}):
            recorded.clear()  # what came before is not this test's
            yield recorded
            recorded.is_down = False
            recorded._deliver()
    finally:
        transport.stand_in = before
