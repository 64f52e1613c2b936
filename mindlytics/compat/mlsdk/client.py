"""The asyncio client whose sessions are those of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ...aio import AsyncClient
from ...errors import DeliveryError
from ...live import wire
from ...live.event import MLEvent
from ...session_state import Properties
from .httpclient import HTTPClient
from .session import Session
from .types import ClientConfig


class Client(AsyncClient):
    """An :class:`~mindlytics.AsyncClient` whose sessions are :class:`Session`. Calling ``close()`` is optional."""

    _session_type = Session

    @property
    def config(self) -> ClientConfig:
        """What the client was made with, or what the environment gave."""
        settings = self.settings
        return ClientConfig(
            api_key=settings.api_key.reveal(),
            project_id=settings.project_id,
            server_endpoint=settings.server_endpoint,
            wss_endpoint=wire.address(settings.server_endpoint, settings.wss_endpoint, None),
            debug=settings.debug,
        )

    @property
    def api_key(self) -> str:
        """The workspace's key."""
        return self.config.api_key

    @property
    def server_endpoint(self) -> str:
        """The service's address."""
        return self.config.server_endpoint

    @property
    def wss_endpoint(self) -> str:
        """The address of live events."""
        return self.config.wss_endpoint

    @property
    def debug(self) -> bool:
        """Whether each step is logged."""
        return self.config.debug

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

    def _direct(self) -> HTTPClient:
        if self._http is None:
            self._http = HTTPClient._of(self.settings)
        return cast(HTTPClient, self._http)
