"""The calls about messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic

from .calls import PAGE, Call, Each, Many, One, Perhaps, R, Resource, given, key, moment, one_of, path, shaped, whole
from .types import Message, MessageContent, MessageDeliveryStatus, MessageRole


class BaseMessages(Resource, Generic[One, Perhaps, Many, Each]):
    """The messages of sessions."""

    def create(
        self,
        session_id: str,
        content: MessageContent | Mapping[str, Any],
        role: MessageRole = "user",
        provider_message_id: str | None = None,
        replied_provider_message_id: str | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> One:
        """Add a message to a session.

        :param content: a :class:`MessageContentText` or another of its kind, or a mapping of the same shape.
        :param role: who says it.
        :param provider_message_id: its id in the channel that it goes through.
        :param replied_provider_message_id: the message to which it is the answer there.
        :param idempotency_key: a text, unique to this message; with it the call is tried again like a read.
        """
        body = {
            "content": shaped("content", MessageContent, content),
            "role": one_of("role", role, "user", "assistant"),
            **given(provider_message_id=provider_message_id, replied_provider_message_id=replied_provider_message_id),
        }
        where = path("/sessions/{session_id}/messages", session_id=session_id)
        return self._send(Call("POST", where, Message, body, key=key(idempotency_key)))

    def get(self, session_id: str, message_id: str) -> Perhaps:
        """The message of this id, or None where the service answers with nothing.

        :raises NotFoundError: there is no such session, or no such message in it.
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
        """Tell what became of a message in the channel. What is None stays as it is.

        :param delivered_at: an aware datetime or an ISO 8601 text.
        """
        body = given(
            provider_message_id=provider_message_id,
            replied_provider_message_id=replied_provider_message_id,
            delivery_status=delivery_status,
            delivery_error_code=delivery_error_code,
            delivery_error_message=delivery_error_message,
            delivered_at=None if delivered_at is None else moment("delivered_at", delivered_at),
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
        """The messages to which all of this applies, oldest first.

        :param session_id: None: those of all sessions.
        :param offset: so many are passed over.
        :param limit: so many at most, from 1.
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
        """The same as :meth:`search`, one by one and without an end: the next page is asked for when it is needed.

        A loop that changes whether a message is found passes others over, since pages are found by their offset: make a
        ``list`` of all first.

        :param page_size: messages of one request.
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
        body = given(
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
