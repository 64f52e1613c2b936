"""The calls about messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Generic

from ..values import present
from .calls import (
    PAGE,
    Call,
    Each,
    Many,
    One,
    Perhaps,
    R,
    Resource,
    key,
    one_of,
    path,
    shaped,
    timestamp_param,
    whole,
)
from .types import Message, MessageContent, MessageDeliveryStatus, MessageRole


class BaseMessages(Resource, Generic[One, Perhaps, Many, Each]):
    """The messages of sessions."""

    def create(
        self,
        session_id: str,
        content: MessageContent | Mapping[str, object],
        role: MessageRole = "user",
        provider_message_id: str | None = None,
        replied_provider_message_id: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> One:
        """Add a message to a session.

        :param content: a :class:`MessageContentText` or another content class, or a mapping of the same shape.
        :param role: who says it.
        :param provider_message_id: its id in its channel.
        :param replied_provider_message_id: the id of the message that it answers there.
        :param idempotency_key: a text, unique to this message. With it the call is retried like a read.
        """
        body = {
            "content": shaped("content", MessageContent, content),
            "role": one_of("role", role, "user", "assistant"),
            **present(provider_message_id=provider_message_id, replied_provider_message_id=replied_provider_message_id),
        }
        where = path("/sessions/{session_id}/messages", session_id=session_id)
        return self._send(Call("POST", where, Message, body, key=key(idempotency_key)))

    def get(self, session_id: str, message_id: str) -> Perhaps:
        """Get the message with this id, or None if the service's answer is empty.

        :raises NotFoundError: the session, or the message in it, does not exist.
        """
        where = path("/sessions/{session_id}/messages/{message_id}", session_id=session_id, message_id=message_id)
        return self._send(Call("GET", where, Message, repeatable=True))

    def update(  # noqa: PLR0917  the order of the existing client
        self,
        session_id: str,
        message_id: str,
        provider_message_id: str | None = None,
        replied_provider_message_id: str | None = None,
        delivery_status: MessageDeliveryStatus | None = None,
        delivery_error_code: int | None = None,
        delivery_error_message: str | None = None,
        delivered_at: datetime | str | None = None,
    ) -> One:
        """Update a message's state in its channel. Arguments that are None leave their field unchanged.

        :param delivered_at: an aware datetime or an ISO 8601 text.
        """
        body = present(
            provider_message_id=provider_message_id,
            replied_provider_message_id=replied_provider_message_id,
            delivery_status=delivery_status,
            delivery_error_code=delivery_error_code,
            delivery_error_message=delivery_error_message,
            delivered_at=None if delivered_at is None else timestamp_param("delivered_at", delivered_at),
        )
        where = path("/sessions/{session_id}/messages/{message_id}", session_id=session_id, message_id=message_id)
        return self._send(Call("PATCH", where, Message, body, repeatable=True))

    def search(
        self,
        session_id: str | None = None,
        provider_message_id: str | None = None,
        replied_provider_message_id: str | None = None,
        offset: int | None = None,
        limit: int | None = None,
    ) -> Many:
        """Find the messages that match all arguments, oldest first.

        :param session_id: None means all sessions.
        :param offset: how many to skip.
        :param limit: how many to return at most, from 1.
        """
        return self._send(self._search(session_id, provider_message_id, replied_provider_message_id, offset, limit))

    def iter(
        self,
        session_id: str | None = None,
        provider_message_id: str | None = None,
        replied_provider_message_id: str | None = None,
        *,
        page_size: int = PAGE,
    ) -> Each:
        """Iterate over all that :meth:`search` finds. It requests the next page when the loop gets there.

        If your loop changes which messages match, make a ``list`` first. Pages go by offset, so the loop would skip
        some.

        :param page_size: messages per request.
        """
        whole("page_size", page_size, 1)
        return self._walk(self._search(session_id, provider_message_id, replied_provider_message_id, 0, page_size))

    def _search(
        self,
        session_id: str | None,
        provider_message_id: str | None,
        replied_provider_message_id: str | None,
        offset: int | None,
        limit: int | None,
    ) -> Call[R]:
        body = present(
            session_id=session_id,
            provider_message_id=provider_message_id,
            replied_provider_message_id=replied_provider_message_id,
            offset=whole("offset", offset, 0),
            limit=whole("limit", limit, 1),
        )
        where = "/messages/search"
        if session_id is not None:
            where = path("/sessions/{session_id}/messages/search", session_id=session_id)
        return Call("POST", where, list[Message], body, repeatable=True)
