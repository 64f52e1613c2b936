"""Sessions, messages, agents, schedules and surveys as documents in one table, each as the API tells it.

What they mean is in ``actions.py``. All methods run over a connection of the store, within its transaction, and see one
organization's documents only.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import orjson

from ..reads import Budget
from ..records import App, RequestKey, answer_to
from ..schema import MICROSECOND, iso, now

APP_ID = "antonnia"
"""The app of each organization to which the documents belong."""

Document = dict[str, Any]
T = TypeVar("T")


def moment(later: timedelta = timedelta()) -> str:
    """The present, or a moment so much later, as it is told."""
    return iso(now() + later // MICROSECOND)


def new_id(prefix: str) -> str:
    """A fresh id."""
    return f"{prefix}_{uuid.uuid4().hex}"


class Rows:
    """The documents of one organization, and the events that come about while they change.

    :param app: whose documents; None: nobody's, so there are none.
    """

    def __init__(self, connection: sqlite3.Connection, app: App | None) -> None:
        self._connection = connection
        self._scope = -1 if app is None else app.scope
        self.organization_id = "" if app is None else app.organization_id
        self.events: list[Document] = []
        """What webhooks tell of, once it is committed."""

    def add(self, kind: str, document: Document, session_id: str | None = None) -> Document:
        """Keep a new document."""
        self._connection.execute(
            "INSERT INTO antonnia (scope, kind, id, session_id, document) VALUES (?, ?, ?, ?, ?)",
            (self._scope, kind, document["id"], session_id, orjson.dumps(document).decode()),
        )
        return document

    def find(self, kind: str, id: str) -> Document | None:
        """The document of this id."""
        row = self._connection.execute(
            "SELECT document FROM antonnia WHERE scope = ? AND kind = ? AND id = ?", (self._scope, kind, id)
        ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def put(self, kind: str, document: Document) -> Document:
        """Keep what became of a document."""
        self._connection.execute(
            "UPDATE antonnia SET document = ? WHERE scope = ? AND kind = ? AND id = ?",
            (orjson.dumps(document).decode(), self._scope, kind, document["id"]),
        )
        return document

    def remove(self, kind: str, id: str) -> None:
        """Drop a document."""
        self._connection.execute(
            "DELETE FROM antonnia WHERE scope = ? AND kind = ? AND id = ?", (self._scope, kind, id)
        )

    def each(self, kind: str, session_id: str | None = None, **fields: object) -> Iterator[Document]:
        """The documents whose fields have these values (those that are not None), in the order in which they came."""
        sql, parameters = "SELECT document FROM antonnia WHERE scope = ? AND kind = ?", [self._scope, kind]
        if session_id is not None:
            sql += " AND session_id = ?"
            parameters.append(session_id)
        for name, value in fields.items():
            if value is not None:
                sql += f" AND json_extract(document, '$.{name}') = ?"
                parameters.append(value)
        rows = self._connection.execute(f"{sql} ORDER BY seq", parameters)
        for (document,) in Budget(self._connection).timed(rows):
            yield orjson.loads(document)

    def answer_to(self, key: RequestKey | None) -> str | None:
        """The JSON that answered the request of this key, for as long as the store remembers keys; None: of no key.

        :raises ReusedKey: the key came with another body.
        """
        return None if key is None else answer_to(self._connection, self._scope, key)

    def once(self, key: RequestKey | None, work: Callable[[], T]) -> T:
        """What answered the request of this key; else what ``work`` gives, which answers the next one."""
        before = self.answer_to(key)
        answer: T = work() if before is None else orjson.loads(before)
        if key is not None and before is None:
            self._connection.execute(
                "INSERT INTO idempotency_keys (scope, key, seen_at, answer, body) VALUES (?, ?, ?, ?, ?)",
                (self._scope, key.name, now(), orjson.dumps(answer).decode(), key.body),
            )
        return answer

    def happened(self, type: str, session_id: str, told: Document) -> None:
        """Note an event for the webhooks."""
        self.events.append(
            {
                "session_id": session_id,
                "body": {"id": new_id("evt"), "created_at": moment(), "type": type, "data": {"object": told}},
            }
        )
