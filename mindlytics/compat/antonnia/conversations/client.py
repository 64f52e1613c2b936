"""The asyncio client, with the arguments and defaults of that package's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ....annotations import Awaited
from ....antonnia.aio import AsyncConversations, AsyncMessages, AsyncSessions
from ....antonnia.calls import Face
from ....antonnia.types import (
    Message,
    MessageDeliveryStatus,
    ScheduleConfig,
    Session,
    SessionSchedule,
    SessionUpdateFields,
)
from ....values import UTC

BASE_URL = "https://services.antonnia.com/conversations/v2"
SECONDS = 300.0
"""The timeout of an attempt."""
DEBOUNCE = 12
"""Seconds that a reply waits for more from the contact."""


class Messages(AsyncMessages):
    """The messages of sessions. A datetime without a time zone is in UTC."""

    def update(  # noqa: PLR0917  the order of that client
        self,
        session_id: str,
        message_id: str,
        provider_message_id: str | None = None,
        replied_provider_message_id: str | None = None,
        delivery_status: MessageDeliveryStatus | None = None,
        delivery_error_code: int | None = None,
        delivery_error_message: str | None = None,
        delivered_at: datetime | str | None = None,
    ) -> Awaited[Message]:
        """Update a message's state in its channel, see :meth:`mindlytics.antonnia.messages.BaseMessages.update`."""
        return super().update(
            session_id,
            message_id,
            provider_message_id,
            replied_provider_message_id,
            delivery_status,
            delivery_error_code,
            delivery_error_message,
            None if delivered_at is None else _aware(delivered_at),
        )


class Sessions(AsyncSessions):
    """Sessions. A datetime without a time zone is in UTC."""

    def __init__(self, face: Face) -> None:
        super().__init__(face)
        self.messages = Messages(face)

    def update(
        self, session_id: str, fields: SessionUpdateFields | None = None, metadata: Mapping[str, object] | None = None
    ) -> Awaited[Session]:
        """Change fields of a session. ``metadata`` is ignored if there are ``fields``."""
        return super().update(session_id, fields, metadata if fields is None else None)

    def reply(self, session_id: str, debounce_time: int = DEBOUNCE) -> Awaited[Session]:
        """Have the agent answer what the contact said.

        :param debounce_time: seconds, 0 to 60, to wait for more from the contact.
        """
        return super().reply(session_id, debounce_time)

    def schedule(
        self,
        session_id: str,
        scheduled_for: datetime | str,
        config: ScheduleConfig | Mapping[str, object],
        *,
        idempotency_key: str | None = None,
    ) -> Awaited[SessionSchedule]:
        """Schedule something in a session, see :meth:`mindlytics.antonnia.sessions.BaseSessions.schedule`."""
        return super().schedule(session_id, _aware(scheduled_for), config, idempotency_key=idempotency_key)


class Conversations(AsyncConversations):
    """A :class:`mindlytics.antonnia.AsyncConversations` with the defaults of that client.

    :param token: your API token.
    :param base_url: the address before the paths of the API.
    :param http_client: your own ``httpx.AsyncClient`` or ``aiohttp.ClientSession``. It is used and stays open.
    :param timeout: seconds for one attempt.
    :param max_retries: how often a call that is safe to repeat is retried.
    :raises InvalidSetting: a value breaks a rule (a ``ValueError``).
    """

    def __init__(
        self,
        token: str,
        base_url: str = BASE_URL,
        http_client: object = None,
        *,
        timeout: float = SECONDS,
        max_retries: int = 2,
        verify: bool | str = True,
        trust_env: bool = True,
    ) -> None:
        super().__init__(
            token, base_url, timeout, http_client, max_retries=max_retries, verify=verify, trust_env=trust_env
        )

    @property
    def token(self) -> str:
        """Your API token."""
        return self._settings.api_key.reveal()

    def _begin(self) -> None:
        super()._begin()
        self.sessions = Sessions(self)


def _aware(at: datetime | str) -> datetime | str:
    return at.replace(tzinfo=UTC) if isinstance(at, datetime) and at.tzinfo is None else at
