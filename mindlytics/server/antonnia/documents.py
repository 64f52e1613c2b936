"""Sessions, messages, agents, schedules and surveys as documents in one table, each as the API returns it.

``actions.py`` gives them their meaning. All methods run over a connection of the store, within its transaction, and see
one organization's documents only.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Text, delete, insert, literal, select, update

from ..apps import App
from ..dialects import json_string
from ..idempotency import RequestKey, answer_to, remember
from ..reads import Budget
from ..schema import MICROSECOND, antonnia, iso, now

APP_ID = "antonnia"
"""The app of each organization to which the documents belong."""

Document = dict[str, Any]
T = TypeVar("T")


_COLUMNS = ("contact_id", "provider_message_id")
"""The fields of documents that have a column, with an index."""


def _stored(document: Document) -> Document:
    columns = {name: document.get(name) for name in _COLUMNS}
    return {**columns, "document": orjson.dumps(document).decode()}


def timestamp(later: timedelta = timedelta()) -> str:
    """The time now, or so much later, as the API returns it."""
    return iso(now() + later // MICROSECOND)


def new_id(prefix: str) -> str:
    """A fresh id."""
    return f"{prefix}_{uuid.uuid4().hex}"


class Documents:
    """The documents of one organization, and the events that their changes cause.

    :param app: their app. None: there are none.
    """

    def __init__(self, connection: Connection, app: App | None) -> None:
        self._connection = connection
        self._scope = -1 if app is None else app.scope
        self.organization_id = "" if app is None else app.organization_id
        self.events: list[Document] = []
        """The webhooks to post after the commit."""

    def add(self, kind: str, document: Document, session_id: str | None = None) -> Document:
        """Store a new document."""
        values = {"scope": self._scope, "kind": kind, "id": document["id"], "session_id": session_id}
        self._connection.execute(insert(antonnia).values(**values, **_stored(document)))
        return document

    def find(self, kind: str, id: str) -> Document | None:
        """The document with this id, if there is one."""
        found = self._connection.execute(select(antonnia.c.document).where(*self._is(kind, id))).scalar()
        return None if found is None else orjson.loads(found)

    def put(self, kind: str, document: Document) -> Document:
        """Store a changed document."""
        self._connection.execute(update(antonnia).where(*self._is(kind, document["id"])).values(**_stored(document)))
        return document

    def remove(self, kind: str, id: str) -> None:
        """Drop a document."""
        self._connection.execute(delete(antonnia).where(*self._is(kind, id)))

    def each(self, kind: str, session_id: str | None = None, **fields: object) -> Iterator[Document]:
        """The documents whose fields have these values, in order of arrival. A value of None fits all."""
        query = select(antonnia.c.document).where(antonnia.c.scope == self._scope, antonnia.c.kind == kind)
        if session_id is not None:
            query = query.where(antonnia.c.session_id == session_id)
        for name, value in fields.items():
            if value is not None:
                column = (
                    antonnia.c[name] if name in _COLUMNS else json_string(antonnia.c.document, literal(name, Text()))
                )
                query = query.where(column == value)
        rows = self._connection.execute(query.order_by(antonnia.c.seq))
        for (document,) in Budget(self._connection).timed(rows):
            yield orjson.loads(document)

    def _is(self, kind: str, id: str) -> tuple[Any, ...]:
        return antonnia.c.scope == self._scope, antonnia.c.kind == kind, antonnia.c.id == id

    def answer_to(self, key: RequestKey | None) -> str | None:
        """The JSON that answered the request of this key. None without a key, or if the store has no answer to it.

        :raises ReusedKey: the key came with another body.
        """
        return None if key is None else answer_to(self._connection, self._scope, key)

    def once(self, key: RequestKey | None, work: Callable[[], T]) -> T:
        """The earlier answer to the request of this key, else what ``work`` returns, which answers it from now on."""
        before = self.answer_to(key)
        answer: T = work() if before is None else orjson.loads(before)
        if key is not None and before is None:
            remember(self._connection, self._scope, key, orjson.dumps(answer).decode())
        return answer

    def happened(self, type: str, session_id: str, document: Document) -> None:
        """Note an event for the webhooks."""
        self.events.append(
            {
                "session_id": session_id,
                "body": {"id": new_id("evt"), "created_at": timestamp(), "type": type, "data": {"object": document}},
            }
        )
