"""The names of ``mlsdk``, the package ``mlsdk-python``: ``from mindlytics.compat.mlsdk import Client``.

This is the asyncio face with the behaviour of that client that programs rely on. Everything else is as in
:class:`~mindlytics.AsyncClient`. The documentation's page on migrating lists the remaining differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import evolve

from ...aio import AsyncClient, AsyncSession
from ...annotations import Awaited
from ...delivery.account import APIResponse, FlushResult
from ...errors import DeliveryError, MLHTTPError
from ...http import AsyncHTTPClient, Data
from ...live.event import MLEvent
from ...session_state import Properties, SessionClient
from ...usage import Cost, TokenBasedCost
from ...values import Timestamp

__all__ = ["APIResponse", "Client", "Cost", "HTTPClient", "MLEvent", "MLHTTPError", "Session", "TokenBasedCost"]

NO_REPLY = -1
"""The status without a reply. The rest of the package uses 0."""


class Session(AsyncSession):
    """A session that keeps its ids: events still name it and its conversation after these have ended."""

    __slots__ = ("_given_conversation",)

    def __init__(self, client: SessionClient, *, conversation_id: str | None = None, **arguments: Any) -> None:
        super().__init__(client, conversation_id=conversation_id, **arguments)
        self._given_conversation = super().conversation_id  # as text
        self._names_conversation = False

    @property
    def conversation_id(self) -> str | None:
        """The default conversation of events. You may assign it."""
        return super().conversation_id

    @conversation_id.setter
    def conversation_id(self, given: str | None) -> None:
        self._given_conversation = given
        self._conversations = [] if given is None else [given]

    def end_session(self, *, timestamp: Timestamp | None = None, attributes: Properties | None = None) -> Awaited[None]:
        """End the session and its open conversations. Later events do not start it again.

        The arguments are those of :meth:`mindlytics.AsyncSession.end_session`.
        """
        done = super().end_session(timestamp=timestamp, attributes=attributes)
        self.conversation_id = self._given_conversation
        return done

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
        return [error if error.status else evolve(error, status=NO_REPLY) for error in super().get_errors()]

    def _reopen(self) -> None:
        """Do nothing: an ended session stays ended, and the service judges late events."""

    def _close(self, conversation_id: str) -> None:
        if conversation_id != self._given_conversation:
            super()._close(conversation_id)


def _settled(result: FlushResult) -> int:
    return result.delivered + result.refused + result.dropped


class Client(AsyncClient):
    """An :class:`~mindlytics.AsyncClient` whose sessions are :class:`Session`. Calling ``close()`` is optional."""

    _session_type = Session

    def create_session(
        self,
        *,
        session_id: str | None = None,
        conversation_id: str | None = None,
        id: str | None = None,
        device_id: str | None = None,
        user_id: str | None = None,
        attributes: Properties | None = None,
        on_event: Callable[[MLEvent], object] | None = None,
        on_error: Callable[[DeliveryError], object] | None = None,
    ) -> Session:
        """Make a session of this client. It takes the arguments of :meth:`mindlytics.AsyncClient.create_session`."""
        made = super().create_session(
            session_id=session_id,
            conversation_id=conversation_id,
            id=id,
            device_id=device_id,
            user_id=user_id,
            attributes=attributes,
            on_event=on_event,
            on_error=on_error,
        )
        return cast(Session, made)


class HTTPClient(AsyncHTTPClient):
    """Requests to any endpoint of the service."""

    async def send_request(self, *, method: str, url: str, data: Data = None, raise_errors: bool = False) -> Any:
        """Send one request.

        :param raise_errors: raise ``MLHTTPError`` instead of returning a failure.
        :returns: the reply's JSON, or ``{"errored": True, "status": …, "message": …}``, with status -1 without a reply.
        """
        reply = await super().send_request(method=method, url=url, data=data, raise_errors=raise_errors)
        if isinstance(reply, dict) and reply.get("errored") is True and reply.get("status") == 0:
            reply["status"] = NO_REPLY
        return reply
