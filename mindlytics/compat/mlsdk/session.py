"""Sessions that keep their ids, and have the attributes of that client's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from ...aio import AsyncSession
from ...annotations import Awaited
from ...delivery.account import APIResponse, FlushResult
from ...errors import LiveError, OnError
from ...live.event import MLEvent
from ...session_state import Properties, SessionClient
from ...values import Timestamp
from .httpclient import HTTPClient
from .types import ClientConfig, with_status

if TYPE_CHECKING:
    from ...live.task import TaskListening
    from .client import Client


class Session(AsyncSession):
    """A session that keeps its ids: events still name it and its conversation after these have ended.

    You may set attributes of your own.
    """

    def __init__(self, client: SessionClient, *, conversation_id: str | None = None, **arguments: Any) -> None:
        super().__init__(client, conversation_id=conversation_id, **arguments)
        self._named_conversation = super().conversation_id  # as text
        self._names_conversation = False
        self._heard: list[TaskListening] = []

    @property
    def conversation_id(self) -> str | None:
        """The default conversation of events. You may assign it."""
        return super().conversation_id

    @conversation_id.setter
    def conversation_id(self, conversation_id: str | None) -> None:
        self._named_conversation = conversation_id
        self._conversations = [] if conversation_id is None else [conversation_id]

    @property
    def client(self) -> ClientConfig:
        """What the session's client was made with."""
        return self._own_client.config

    @property
    def project_id(self) -> str:
        """The project of the session's client."""
        return self._client.settings.project_id

    @property
    def http_client(self) -> HTTPClient:
        """Requests to any endpoint of the service, with the settings of the session's client."""
        return self._own_client._direct()

    @property
    def history(self) -> list[APIResponse]:
        """The losses, like :meth:`get_errors`."""
        return self.get_errors()

    @property
    def errors(self) -> int:
        """How many losses :attr:`history` has."""
        return len(self.history)

    @property
    def on_event(self) -> Callable[[MLEvent], object] | None:
        """The handler of live events."""
        return self._on_event

    @property
    def on_error(self) -> OnError | None:
        """The handler of losses."""
        return self._account.on_error

    @property
    def _own_client(self) -> Client:
        return cast("Client", self._client)

    async def start_listening(
        self,
        *,
        session_id: str | None = None,
        on_event: Callable[[MLEvent], object] | None = None,
        on_error: OnError | None = None,
    ) -> None:
        """Call ``on_event`` with the live events of a session, until :meth:`stop_listening`.

        :param session_id: default: this session.
        :param on_error: called with a ``LiveError`` if the service refuses, and for each problem that it reports.
        """
        session_id = self.session_id if session_id is None else session_id
        with suppress(LiveError):  # which on_error has been called with
            self._heard.append(await self._client._listen(session_id, on_event or _ignored, on_error))

    async def stop_listening(self) -> None:
        """Stop what :meth:`start_listening` of this session started, if anything."""
        while self._heard:
            await self._heard.pop().stop()

    def end_session(self, *, timestamp: Timestamp | None = None, attributes: Properties | None = None) -> Awaited[None]:
        """End the session and its open conversations. Later events do not start it again.

        The arguments are those of :meth:`mindlytics.AsyncSession.end_session`.
        """
        done = super().end_session(timestamp=timestamp, attributes=attributes)
        self.conversation_id = self._named_conversation
        return done

    def end_conversation(
        self,
        *,
        conversation_id: str | None = None,
        timestamp: Timestamp | None = None,
        properties: Properties | None = None,
        attributes: Properties | None = None,
    ) -> Awaited[None]:
        """End a conversation. Without an id, this does nothing if none is open.

        The arguments are those of :meth:`mindlytics.AsyncSession.end_conversation`.
        """
        if not conversation_id and not self._conversations:
            return self._all([])
        return super().end_conversation(
            conversation_id=conversation_id, timestamp=timestamp, properties=properties, attributes=attributes
        )

    async def flush_and_continue(self, timeout: float | None = None) -> FlushResult:
        """Send this session's pending events and wait until the service has answered. :meth:`flush` does the same.

        Programs for that client flush in each web request, which must not wait for a service that is down.

        :param timeout: seconds to wait at most. None waits as long as each ``shutdown_timeout`` seconds settle an
            event. The rest is delivered in the background.
        :returns: the session's account.
        """
        if timeout is not None:
            return await super().flush_and_continue(timeout)
        result: FlushResult = self._client.pipeline.ledger.result(self._account)
        while True:
            before, result = result, await super().flush_and_continue(self._client.settings.shutdown_timeout)
            if not result.pending or _settled(result) == _settled(before):
                return result

    def get_errors(self) -> list[APIResponse]:
        """The losses of this session, oldest first. ``status`` is -1 if no reply caused them."""
        return [with_status(error) for error in super().get_errors()]

    def _id(self, name: str, value: object) -> str | None:
        """Check an id. An empty text means that there is none."""
        return super()._id(name, None if isinstance(value, str) and not value else value)

    def _reopen(self) -> None:
        """Do nothing: an ended session stays ended, and the service judges late events."""

    def _close(self, conversation_id: str) -> None:
        if conversation_id != self._named_conversation:
            super()._close(conversation_id)


def _ignored(_: MLEvent) -> None: ...


def _settled(result: FlushResult) -> int:
    return result.delivered + result.refused + result.dropped
